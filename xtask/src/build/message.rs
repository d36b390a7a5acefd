//! Cargo's messages about what it has made, as far as it matters here.
//! <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>

use std::path::PathBuf;

use serde::Deserialize;

use crate::linked::Id;

/// An artifact.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    target: Target,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    #[serde(default)]
    kind: Vec<String>,
}

/// Reads those messages that are about artifacts.
pub(super) fn parse(messages: &str) -> Vec<Message> {
    let is_of_artifact = |message: &Message| !message.filenames.is_empty();
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    messages.filter(is_of_artifact).collect()
}

impl Message {
    /// The crate, if this is one that was compiled as a library for that target: what is to run on this machine while
    /// others are compiled lies in another folder.
    pub(super) fn compiled_for(&self, target: &str) -> Option<Id> {
        let is_for_target = self.filenames.iter().flatten().any(|part| part == target);
        if !is_for_target || self.target.kind.iter().any(|kind| kind == "bin") {
            return None;
        }
        // registry+https://...#bytes@1.11.0, path+file:///...#strongroom-core@0.1.0, path+file:///.../core#0.1.0
        let (place, last) = self.package_id.rsplit_once('#')?;
        let (name, version) = last.split_once('@').or_else(|| {
            let (_, name) = place.rsplit_once('/')?;
            Some((name, last))
        })?;
        Some((name.to_owned(), version.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = concat!(
        r#"{"reason":"compiler-artifact","package_id":"registry+https://example.org/index#serde@1.0.228","target":{"kind":["lib"]},"filenames":["/t/x86_64-unknown-linux-musl/release/deps/libserde.rlib"],"executable":null}"#,
        "\n",
        r#"{"reason":"compiler-artifact","package_id":"registry+https://example.org/index#syn@2.0.1","target":{"kind":["lib"]},"filenames":["/t/release/deps/libsyn.rlib"],"executable":null}"#,
        "\n",
        r#"{"reason":"compiler-artifact","package_id":"path+file:///w/crates/extension#strongroom-extension@0.1.0","target":{"kind":["bin"]},"filenames":["/t/x86_64-unknown-linux-musl/release/strongroom-extension"],"executable":"/t/x86_64-unknown-linux-musl/release/strongroom-extension"}"#,
        "\n",
        r#"{"reason":"build-finished","success":true}"#,
        "\n",
    );

    #[test]
    fn the_executable_is_read_from_cargo_messages() {
        let messages = parse(MESSAGES);
        let executables: Vec<_> =
            messages.iter().filter_map(|message| message.executable.clone()).collect();
        let expected = "/t/x86_64-unknown-linux-musl/release/strongroom-extension";
        assert_eq!(executables, [PathBuf::from(expected)]);
    }

    #[test]
    fn what_runs_on_the_building_machine_is_not_compiled_for_the_target() {
        let messages = parse(MESSAGES);
        let compiled: Vec<_> = messages
            .iter()
            .filter_map(|message| message.compiled_for("x86_64-unknown-linux-musl"))
            .collect();
        assert_eq!(compiled, [("serde".to_owned(), "1.0.228".to_owned())]);
    }
}
