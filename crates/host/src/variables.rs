//! Which process sees which variable.
//!
//! Lambda merges the customer's variables with its own and hides some from extensions:
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator/blob/main/internal/lambda/rapidcore/env/environment.go>

use std::collections::BTreeMap;
use std::net::SocketAddr;

use secrecy::ExposeSecret;
use strongroom_lambda_api::{initialization, runtime};

use crate::config::{Config, InitializationType};
use crate::sandbox::Roots;

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, String>;

/// What never changes in an environment's life, from which each process's variables are made.
pub(crate) struct Sources<'a> {
    pub(crate) address: SocketAddr,
    /// Guards the credentials endpoint; SnapStart only.
    pub(crate) credentials_token: &'a str,
    pub(crate) log_stream: &'a str,
    pub(crate) roots: &'a Roots,
}

/// The variables of the runtime's process.
pub(crate) fn of_runtime(config: &Config, sources: &Sources<'_>) -> Variables {
    let mut variables = overridable(config, sources.roots);
    variables.extend(customer(config, sources.roots));
    variables.extend(credentials(config, sources));
    variables.extend(runtime_only(config, sources));
    variables.extend(platform(config, sources));
    variables
}

/// The variables of an extension's process.
pub(crate) fn of_extension(config: &Config, sources: &Sources<'_>) -> Variables {
    let mut variables = overridable(config, sources.roots);
    variables.extend(customer(config, sources.roots));
    variables.extend(credentials(config, sources));
    variables.extend(platform(config, sources));
    variables.retain(|name, _| {
        !name.starts_with('_')
            && name != "AWS_XRAY_CONTEXT_MISSING"
            && name != "AWS_XRAY_DAEMON_ADDRESS"
    });
    variables
}

fn customer(config: &Config, roots: &Roots) -> Variables {
    config.variables.iter().map(|(name, value)| (name.clone(), roots.translate(value))).collect()
}

/// What a customer may set otherwise.
fn overridable(config: &Config, roots: &Roots) -> Variables {
    let managed = if config.function.runtime.is_managed() { "/var/lang/lib:" } else { "" };
    let libraries = format!(
        "{managed}/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{task}:{task}/lib:{opt}/lib",
        task = roots.task.display(),
        opt = roots.opt.display(),
    );
    let lang_bin = if config.function.runtime.is_managed() { "/var/lang/bin:" } else { "" };
    let path = format!("{lang_bin}/usr/local/bin:/usr/bin/:/bin:{}/bin", roots.opt.display());
    named([
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1:2000"),
        ("LANG", "en_US.UTF-8"),
        ("LD_LIBRARY_PATH", &libraries),
        ("PATH", &path),
    ])
}

fn platform(config: &Config, sources: &Sources<'_>) -> Variables {
    named([
        ("AWS_DEFAULT_REGION", config.region.as_str()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &config.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", &config.function_name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        (initialization::VARIABLE, config.initialization.as_str()),
        (runtime::ADDRESS_VARIABLE, &sources.address.to_string()),
        ("AWS_REGION", &config.region),
        ("TZ", ":UTC"),
    ])
}

fn credentials(config: &Config, sources: &Sources<'_>) -> Variables {
    if config.initialization == InitializationType::SnapStart {
        let uri = format!("http://{}{}", sources.address, runtime::CREDENTIALS_PATH);
        return named([
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", sources.credentials_token),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ]);
    }
    let credentials = &config.credentials;
    let mut variables = named([
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose_secret()),
        ("AWS_SESSION_TOKEN", credentials.session_token.expose_secret()),
    ]);
    // An empty one would not be passed over by every SDK: long-term keys have no token.
    variables.retain(|_, value| !value.is_empty());
    variables
}

/// What extensions do not see.
fn runtime_only(config: &Config, sources: &Sources<'_>) -> Variables {
    let mut variables = named([
        ("LAMBDA_RUNTIME_DIR", &sources.roots.runtime.display().to_string()),
        ("LAMBDA_TASK_ROOT", &sources.roots.task.display().to_string()),
        ("_HANDLER", &config.function.handler),
    ]);
    // A snapshot is restored to environments that write to streams of their own.
    // <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html>
    if config.initialization != InitializationType::SnapStart {
        let group = format!("/aws/lambda/{}", config.function_name);
        variables.extend(named([
            ("AWS_LAMBDA_LOG_GROUP_NAME", group.as_str()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", sources.log_stream),
        ]));
    }
    if config.initialization == InitializationType::ManagedInstances {
        let limit = config.max_concurrency.to_string();
        variables.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), limit);
    }
    variables
}

fn named<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
