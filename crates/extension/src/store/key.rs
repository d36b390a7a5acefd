//! Under what an answer is held: path and query byte for byte, and the namespace.

use http::HeaderValue;
use strongroom_vault::client::NAMESPACE;
use strongroom_vault::http::Outgoing;

/// Under what an answer is held.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    target: String,
    namespace: Option<HeaderValue>,
}

impl Key {
    /// The key of a GET, whose headers already hold the namespace that will be asked.
    pub(crate) fn of(outgoing: &Outgoing) -> Self {
        let target = outgoing.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        Self { target, namespace: outgoing.headers.get(NAMESPACE).cloned() }
    }

    /// Bytes it takes.
    pub(crate) fn size(&self) -> usize {
        self.target.len() + self.namespace.as_ref().map_or(0, HeaderValue::len)
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Paths whose answers a write at `path` makes untrue: itself, its other forms in KV v2, and the
/// lists it stands in. The mount may have any name, even `data`, so each segment may be the one.
/// <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>
pub(crate) fn changed_by(path: &str) -> Vec<String> {
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let mut changed = vec![path.trim_end_matches('/').to_owned()];
    for (index, segment) in segments.iter().enumerate() {
        if KV2_FORMS.contains(segment) {
            for form in KV2_FORMS {
                let mut twin = segments.clone();
                twin[index] = form;
                changed.push(twin.join("/"));
            }
        }
    }
    let lists: Vec<_> = changed
        .iter()
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(list, _)| list.to_owned())
        .collect();
    changed.extend(lists);
    changed
}

const KV2_FORMS: [&str; 6] = ["data", "delete", "destroy", "metadata", "subkeys", "undelete"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_changes_its_path_its_twin_and_the_lists() {
        let check = |path: &str, expect: &[&str]| {
            let changed = changed_by(path);
            for path in expect {
                assert!(changed.iter().any(|changed| changed == path), "{path} in {changed:?}");
            }
        };
        check(
            "/v1/kv/data/app",
            &["/v1/kv/data/app", "/v1/kv/metadata/app", "/v1/kv/metadata", "/v1/kv/subkeys/app"],
        );
        check("/v1/kv/destroy/app", &["/v1/kv/data/app", "/v1/kv/metadata/app"]);
        check(
            "/v1/kv/data/test/data/a/b",
            &["/v1/kv/data/test/metadata/a/b", "/v1/kv/data/test/metadata/a"],
        );
        check("/v1/secret/app", &["/v1/secret/app", "/v1/secret"]);
        assert!(!changed_by("/v1/kv/data/app").contains(&"/v1/kv/data/other".to_owned()));
    }
}
