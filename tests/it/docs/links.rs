//! Every link within the repository leads to a file that is there, and to a heading that is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::reading;

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let pages = reading::all_pages();
    let anchors: BTreeMap<&str, BTreeSet<String>> = pages
        .iter()
        .map(|page| {
            (
                page.path.as_str(),
                page.headings().into_iter().map(|heading| heading.anchor).collect(),
            )
        })
        .collect();
    let mut broken = Vec::new();
    for page in &pages {
        for (line, link) in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => joined(&page.path, file),
            };
            let is_there = reading::root().join(&target).exists();
            let has_anchor = anchor.is_empty()
                || anchors.get(target.as_str()).is_some_and(|anchors| anchors.contains(anchor));
            if !is_there || !has_anchor {
                broken.push(format!("{}:{line}: {link}", page.path));
            }
        }
    }
    assert_eq!(broken, [] as [&str; 0]);
}

/// Where a relative link of a page leads, below the repository's root.
fn joined(page: &str, link: &str) -> String {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_str().expect("links are text").to_owned()
}
