//! Secrets on their way into variables and files, and what goes wrong on it, while the canaries are watched.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_faults::{Fault, Rule};
use strongroom_tests::beds::{self, Part};
use strongroom_tests::stage::{Environment, SECRET_PATH, within};

use super::super::formats::add_to_code;
use super::{FORMATS, SECRET, Watched};

/// What the secret is replaced by while the function runs.
const ROTATED: &str = "canary-of-the-rotated-secret-7215ee9c7d9d";
/// What a reference gives for the case that there is no secret.
const DEFAULT: &str = "canary-of-the-default-c4ca4238a0b9238";

/// A stage whose function is started by the wrapper, behind a second one that writes its arguments down.
async fn wrapped(test: &str, format: &str) -> Option<Watched> {
    if !beds::available(test, &[Part::PrivateNetwork, Part::Wrapper]) {
        return None;
    }
    let mut watched = Watched::new(test, format).await?;
    watched.stage.start_by_wrapper();
    let script = "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" > /tmp/arguments\nexec \"$@\"\n";
    add_to_code(&watched.stage, "arguments", script);
    let file = watched.stage.config.function.code.join("arguments");
    fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    watched.stage.set("STRONGROOM_NEXT_WRAPPER", "/var/task/arguments");
    Some(watched)
}

impl Watched {
    /// Has a secret written to `file`.
    fn deliver(&mut self, name: &str, path: &str, format: &str, file: &'static str) {
        self.stage.set(&format!("VAULT_SECRET_PATH_{name}"), path);
        self.stage.set(&format!("VAULT_SECRET_FILE_{name}"), file);
        self.stage.set(&format!("STRONGROOM_FILE_FORMAT_{name}"), format);
        self.wished.push(file);
    }

    /// Has it in a file of each format, and in one that a template makes.
    fn deliver_in_each_format(&mut self) {
        add_to_code(
            &self.stage,
            "template",
            "key={{ data['api-key'] }};{{ secret('kv/data/app') | tojson }}",
        );
        for (name, format, file) in [
            ("RESPONSE", "response", "/tmp/secrets/response.json"),
            ("DATA", "data", "/tmp/secrets/data.json"),
            ("RAW", "raw:api-key", "/tmp/secrets/raw"),
            ("DOTENV", "dotenv", "/tmp/secrets/.env"),
            ("TEMPLATE", "template:/var/task/template", "/tmp/secrets/settings"),
        ] {
            self.deliver(name, SECRET_PATH, format, file);
        }
    }

    /// Invokes the function, which is not started, and notes what its caller is told.
    async fn refusal(&mut self, environment: &Environment) -> String {
        let invocation = environment.try_invoke(&[], &[]).await;
        let told = String::from_utf8(invocation.payload.to_vec()).unwrap();
        assert!(told.contains("Runtime.Strongroom"), "{told}\n{}", environment.log());
        self.answers.push(told.clone());
        told
    }

    /// Searches the variables of the extension's process, while it runs.
    fn search_variables_of_the_extension(&self, environment: &Environment) {
        let variables = fs::read(format!("/proc/{}/environ", environment.process())).unwrap();
        let variables = String::from_utf8_lossy(&variables);
        assert!(variables.contains("AWS_SECRET_ACCESS_KEY="), "these are its variables");
        for value in [SECRET, ROTATED] {
            assert!(!variables.contains(value), "the secret is in the extension's variables");
        }
    }
}

#[tokio::test]
async fn what_goes_into_variables_and_files_is_nowhere_else() {
    for format in FORMATS {
        let name = "what goes into variables and files is nowhere else";
        let Some(mut watched) = wrapped(name, format).await else { return };
        watched.made.push(("rotated secret", ROTATED.to_owned()));
        watched.deliver_in_each_format();
        watched.stage.set("STRONGROOM_REFRESH", "1ms");
        watched.stage.set("API_KEY", "vault:kv/data/app#api-key");
        watched.stage.set("URL", "https://app:${vault:kv/data/app#api-key}@db");
        watched.stage.set("ALL", "vault:kv/data/app#*");
        let environment = watched.stage.ready().await;
        let seen = environment.variables(&["API_KEY", "URL", "ALL"]).await;
        assert!(seen.iter().flatten().filter(|value| value.contains(SECRET)).count() == 3);
        watched.search_command_lines();
        assert_eq!(environment.file("/tmp/arguments"), "/var/task/arguments\n./app\n");

        watched.stage.write_secret(ROTATED).await;
        environment.invoke(&[], &[]).await;
        for file in &watched.wished[1..] {
            assert!(environment.file(file).contains(ROTATED), "{file}\n{}", environment.log());
        }
        watched.search_command_lines();
        watched.search_variables_of_the_extension(&environment);
        environment.shut_down().await;
        assert!(environment.log().contains("secret written"), "{}", environment.log());
        watched.search(name, &environment);
    }
}

#[tokio::test]
async fn references_that_cannot_be_resolved_give_no_other_away() {
    for format in FORMATS {
        let name = "references that cannot be resolved give no other away";
        let Some(mut watched) = wrapped(name, format).await else { return };
        watched.made.push(("default", DEFAULT.to_owned()));
        let long = SECRET.repeat(4_000);
        let data = json!({ "api-key": SECRET, "nul": format!("{SECRET}\0"), "long": long });
        watched.stage.write(SECRET_PATH, json!({ "data": data })).await;
        watched.stage.set("GOOD", "vault:kv/data/app#api-key");
        let forbidden = format!("vault:kv/data/forbidden#a|{DEFAULT}");
        let bad = [
            ("FORBIDDEN", forbidden.as_str()),
            ("NO_FIELD", "vault:kv/data/app#none"),
            ("NO_SECRET", "https://${vault:kv/data/app#api-key}@${vault:kv/data/none#a}"),
            ("NO_VERSION", "vault:kv/data/app#api-key#7"),
            ("NUL", "vault:kv/data/app#nul"),
            ("LONG", "${vault:kv/data/app#long}"),
        ];
        for (name, value) in bad {
            watched.stage.set(name, value);
        }
        let environment = watched.stage.start().await;
        let told = watched.refusal(&environment).await;
        for (name, _) in bad {
            assert!(told.contains(&format!("{name}: ")), "{name} is not in {told}");
        }
        assert!(!told.contains("GOOD"), "{told}");
        assert!(watched.tap.passed().contains(SECRET));
        watched.search_command_lines();
        watched.search(name, &environment);
    }
}

/// Each fails when it has the secret in its hands.
const FAILING_TEMPLATES: [&str; 8] = [
    "{{ data['api-key'] }}{{ data.none }}",
    "{{ data['api-key'] + 1 }}",
    "{{ data['api-key'].a.b }}",
    "{{ data['api-key']() }}",
    "{{ data['api-key'].strip() }}",
    "{% for a, b in data['api-key'] %}{{ a }}{% endfor %}",
    "{{ data | tojson }}{{ secret(data, version=data['api-key']) }}",
    "{% set key = data['api-key'] %}{{ key }}{{ secret('kv/data/none') }}",
];

#[tokio::test]
async fn a_file_that_cannot_be_made_gives_its_secret_away_to_nobody() {
    for format in FORMATS {
        let name = "a file that cannot be made gives its secret away to nobody";
        let Some(mut watched) = wrapped(name, format).await else { return };
        // The wrapper tells the function's caller why.
        watched.stage.set("STRONGROOM_WAIT", "wrapper");
        let odd = format!(r#"it's \ {SECRET}"#);
        watched.stage.write("kv/data/odd", json!({ "data": { "odd": odd } })).await;
        let mut failing = Vec::new();
        for (index, template) in FAILING_TEMPLATES.iter().enumerate() {
            add_to_code(&watched.stage, &format!("template-{index}"), template);
            failing.push((SECRET_PATH, format!("template:/var/task/template-{index}")));
        }
        failing.push((SECRET_PATH, "raw:none".to_owned()));
        failing.push(("kv/data/odd", "dotenv".to_owned()));
        for (index, (path, format)) in failing.iter().enumerate() {
            watched.stage.set(&format!("VAULT_SECRET_PATH_F{index}"), path);
            watched
                .stage
                .set(&format!("VAULT_SECRET_FILE_F{index}"), &format!("/tmp/failed/{index}"));
            watched.stage.set(&format!("STRONGROOM_FILE_FORMAT_F{index}"), format);
        }
        watched.deliver_in_each_format();
        let environment = watched.stage.start().await;
        let told = watched.refusal(&environment).await;
        assert!(told.contains("template-0") && told.contains("undefined"), "{told}");
        let log = environment.log();
        for index in 0..FAILING_TEMPLATES.len() {
            assert!(log.contains(&format!("template-{index}")), "{index} did not fail: {log}");
        }
        assert!(log.contains("/tmp/failed/8") && log.contains("/tmp/failed/9"), "{log}");
        let written = fs::read_dir(environment.host.tmp().join("failed")).into_iter().flatten();
        assert_eq!(written.count(), 0, "a file of half a template");
        assert!(environment.file("/tmp/secrets/raw").contains(SECRET), "the others are written");
        watched.search_command_lines();
        watched.search(name, &environment);
    }
}

#[tokio::test]
async fn leases_that_end_give_nothing_away_that_was_leased() {
    for format in FORMATS {
        let name = "leases that end give nothing away that was leased";
        let Some(mut watched) = wrapped(name, format).await else { return };
        watched.stage.add_database("20s").await;
        let role = json!({ "db_name": "app", "default_ttl": "20s", "max_ttl": "24h" });
        watched.stage.write("database/roles/file", role).await;
        watched.stage.config.timeout = Duration::from_millis(19_900);
        watched.deliver("DB", "database/creds/file", "data", "/tmp/secrets/db.json");
        watched.stage.set("DB_PASSWORD", "vault:database/creds/app#password");
        let environment = watched.stage.ready().await;
        let password = environment.variables(&["DB_PASSWORD"]).await.remove(0).unwrap();
        watched.made.push(("password in a variable", password));
        watched.made.push(("password in a file", password_in_file(&environment)));

        // The renewal is refused, and then the reading, too.
        let refused = |path: &str, status| {
            let body = format!("{{\"errors\":[\"no more of {SECRET_PATH}\"]}}");
            Rule::new(Fault::Answer { body, retry_after: None, status }).path(path)
        };
        watched.stage.faults.inject(refused("/v1/sys/leases/renew", 400));
        watched.stage.faults.inject(refused("/v1/database/creds/file", 403).times(1));
        for line in ["cannot be renewed", "a file keeps an older secret", "what DB_PASSWORD hold"] {
            within(line, async {
                while !environment.log().contains(line) {
                    environment.invoke(&[], &[]).await;
                }
            })
            .await;
        }
        watched.search_command_lines();
        environment.shut_down().await;
        watched.search(name, &environment);
    }
}

fn password_in_file(environment: &Environment) -> String {
    let held: Value = serde_json::from_str(&environment.file("/tmp/secrets/db.json")).unwrap();
    held["password"].as_str().unwrap().to_owned()
}
