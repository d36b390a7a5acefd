//! A second wrapper behind ours.

use crate::stage::{Stage, binary, listed, quiet_output, refused, variables};

#[test]
fn the_next_wrapper_is_executed_with_the_program_and_does_not_see_that_it_is_one() {
    let stage = Stage::new();
    let _extension = stage.extension(variables("A=s3cret\0"));
    let other = stage
        .script("other", r#"printf '%s ' "$A" "${STRONGROOM_NEXT_WRAPPER-unset}" "$@"; exec "$@""#);
    let mut wrapper = stage.wrapper(&["echo", "a b", ""]);
    wrapper.env("A", "vault:a#b").env("STRONGROOM_NEXT_WRAPPER", other);
    assert_eq!(quiet_output(&mut wrapper), b"s3cret unset echo a b  a b \n");
}

#[test]
fn two_of_ours_ask_twice_and_do_not_execute_each_other_for_ever() {
    let stage = Stage::new();
    let extension = stage.extension(variables("A=vault:this#is-a-secret\0"));
    let mut wrapper = stage.wrapper(&["env", "-0"]);
    wrapper.env("A", "vault:a#b").env("STRONGROOM_NEXT_WRAPPER", binary());
    let seen = listed(&quiet_output(&mut wrapper));
    assert!(seen.contains(&("A".into(), "vault:this#is-a-secret".into())), "{seen:?}");
    assert!(seen.iter().all(|(name, _)| name != "STRONGROOM_NEXT_WRAPPER"), "{seen:?}");
    assert_eq!(extension.requests().len(), 2);
}

#[test]
fn an_empty_name_is_no_next_wrapper_and_is_not_passed_on() {
    let stage = Stage::new();
    let mut wrapper = stage.wrapper(&["env", "-0"]);
    let seen = listed(&quiet_output(wrapper.env("STRONGROOM_NEXT_WRAPPER", "")));
    assert!(seen.iter().all(|(name, _)| name != "STRONGROOM_NEXT_WRAPPER"), "{seen:?}");
}

#[test]
fn a_next_wrapper_that_is_not_there_is_named() {
    let stage = Stage::new();
    let mut wrapper = stage.wrapper(&["echo", "ran"]);
    let said = refused(wrapper.env("STRONGROOM_NEXT_WRAPPER", "/no/such/wrapper"), 127);
    let expect =
        "the wrapper that STRONGROOM_NEXT_WRAPPER names, /no/such/wrapper, cannot be executed";
    assert!(said.contains(expect), "{said}");
}
