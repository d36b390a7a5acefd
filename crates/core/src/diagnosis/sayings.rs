//! What is said of links that are not as they should be: the texts of all findings in one table.
//!
//! Texts with places to fill rather than code that formats: in the layer each costs its letters and nothing else, and
//! the reference page `docs/findings.md` is generated from them.

use super::Check;
use crate::masking::{self, MASK};

/// What is said of a link that is not as it should be. `{0}`, `{1}` and so on stand for what was found, `<mount>` and
/// `<role>` for those of the login.
#[derive(Clone, Copy, Debug)]
pub struct Saying {
    /// The link.
    pub check: Check,
    /// What was tried.
    pub tried: &'static str,
    /// What came back.
    pub came_back: &'static str,
    /// What that means.
    pub means: &'static str,
    /// What to type.
    pub remedy: &'static str,
}

/// Declares sayings, and the list of them.
macro_rules! sayings {
    ($($name:ident $check:ident tried $tried:literal came_back $came_back:literal means $means:literal remedy $remedy:literal;)*) => {
        $(
            #[doc = concat!("Of ", stringify!($check), ": `", $means, "`")]
            pub static $name: super::Saying = super::Saying {
                check: super::Check::$check,
                tried: $tried,
                came_back: $came_back,
                means: $means,
                remedy: $remedy,
            };
        )*
        /// All of them, in their order.
        pub static ALL: &[&super::Saying] = &[$(&$name,)*];
    };
}

pub mod access;
pub mod laptop;
pub mod paths;
pub mod sandbox;
pub mod way;

/// All of them, link by link.
#[must_use]
pub fn all() -> Vec<&'static Saying> {
    let lists = [way::ALL, access::ALL, paths::ALL, sandbox::ALL, laptop::ALL];
    let mut all = lists.concat();
    all.sort_by_key(|saying| saying.check);
    all
}

/// `template` with `{0}` and so on replaced by what was found.
pub(super) fn filled(template: &str, found: &[&str]) -> String {
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let place = after.as_bytes().first().map(|digit| usize::from(digit.wrapping_sub(b'0')));
        match place.and_then(|place| found.get(place)) {
            Some(found) if after.as_bytes().get(1) == Some(&b'}') => {
                text.push_str(if masking::holds_token(found) { MASK } else { found });
                rest = &after[2..];
            }
            _ => {
                text.push('{');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once_and_other_braces_are_left_alone() {
        let check = |template, expect: &str| assert_eq!(filled(template, &["{1}", "b"]), expect);
        check("{0} and {1}{1}", "{1} and bb");
        check("{ capabilities } {2} {", "{ capabilities } {2} {");
        check("", "");
        assert_eq!(filled("{0}", &["hvs.CAESIJ"]), MASK);
    }

    #[test]
    fn each_saying_is_whole() {
        for saying in all() {
            for text in [saying.tried, saying.came_back, saying.means, saying.remedy] {
                assert!(!text.is_empty(), "{saying:?}");
                assert!(!text.contains("  "), "{saying:?}");
            }
        }
    }
}
