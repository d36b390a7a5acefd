//! What surrounds the extension: exec wrapper and time-outs, as far as variables tell.

use super::{Fault, check, fault, warning};

const FAULTS: &[Fault] = &[
    fault(
        "a reference, and no exec wrapper",
        |bed| bed.unset("AWS_LAMBDA_EXEC_WRAPPER"),
        "wrapper",
        &["AWS_LAMBDA_EXEC_WRAPPER is unset", "set AWS_LAMBDA_EXEC_WRAPPER=/opt/strongroom/exec"],
    ),
    fault(
        "another exec wrapper",
        |bed| bed.set("AWS_LAMBDA_EXEC_WRAPPER", "/opt/other"),
        "wrapper",
        &["is /opt/other", "STRONGROOM_NEXT_WRAPPER=/opt/other"],
    ),
    warning(
        "a time-out beyond Lambda's",
        |bed| bed.set("STRONGROOM_INIT_TIMEOUT", "12s"),
        "time-outs",
        &["12 s", "Lambda ends init on demand after 10 s", "below 10s"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_surrounds_the_extension_is_named() {
    check("doctor: surroundings", FAULTS);
}
