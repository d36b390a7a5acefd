//! Markdown as far as these tests need it: blocks, commands, headings and links. No other part of it is understood.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A page of the documentation.
#[derive(Debug)]
pub(super) struct Page {
    /// Below the repository's root, with slashes.
    pub(super) path: String,
    text: String,
}

/// A command, as it is to be typed: with the lines that belong to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Heading {
    pub(super) level: usize,
    /// As GitHub names it in an address.
    pub(super) anchor: String,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place<'a> {
    /// A block between fences, with the word behind the first.
    Fenced(&'a str),
    Fence,
    Indented,
    Prose,
}

impl Page {
    /// Line by line, with its number and place.
    fn lines(&self) -> Vec<(usize, &str, Place<'_>)> {
        let mut fence: Option<&str> = None;
        let mut before_is_blank = true;
        let mut is_indented = false;
        let mut lines = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let place = match (line.trim_start().strip_prefix("```"), fence) {
                (Some(_), Some(_)) => {
                    fence = None;
                    Place::Fence
                }
                (Some(word), None) => {
                    fence = Some(word.trim());
                    Place::Fence
                }
                (None, Some(word)) => Place::Fenced(word),
                (None, None) => {
                    // A list's second line is indented, too, but no blank line is before it.
                    is_indented = line.starts_with("    ") && (is_indented || before_is_blank);
                    if is_indented { Place::Indented } else { Place::Prose }
                }
            };
            before_is_blank = line.trim().is_empty();
            lines.push((index + 1, line, place));
        }
        lines
    }

    /// What stands in blocks marked `sh`, command by command.
    pub(super) fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        // What the last command still waits for: its next line, or the end of its document.
        let mut document: Option<String> = None;
        let mut goes_on = false;
        for (line, text, place) in self.lines() {
            if place != Place::Fenced("sh") {
                assert!(
                    document.is_none() && !goes_on,
                    "{}:{line}: a command without its end",
                    self.path
                );
                continue;
            }
            if let (Some(end), Some(command)) = (&document, commands.last_mut()) {
                command.text.push('\n');
                command.text.push_str(text);
                if text == end {
                    document = None;
                }
                continue;
            }
            if !goes_on && (text.trim().is_empty() || text.starts_with('#')) {
                continue;
            }
            match (goes_on, commands.last_mut()) {
                (true, Some(command)) => {
                    command.text.push('\n');
                    command.text.push_str(text);
                }
                _ => commands.push(Command { line, text: text.to_owned() }),
            }
            goes_on = text.ends_with('\\');
            document = text.split_once("<<'").map(|(_, end)| end.trim_end_matches('\'').to_owned());
        }
        commands
    }

    /// Lines of blocks that are not marked, without what lists indent.
    pub(super) fn lines_of_text_blocks(&self) -> Vec<(usize, &str)> {
        let lines = self.lines().into_iter();
        lines
            .filter_map(|(line, text, place)| match place {
                Place::Fenced("") => Some((line, text)),
                Place::Indented => Some((line, text.trim_start())),
                _ => None,
            })
            .collect()
    }

    /// The blocks that are marked with this word.
    pub(super) fn blocks(&self, word: &str) -> Vec<String> {
        let mut blocks: Vec<String> = Vec::new();
        let mut is_within = false;
        for (_, text, place) in self.lines() {
            let was_within = std::mem::replace(&mut is_within, place == Place::Fenced(word));
            match (is_within, blocks.last_mut().filter(|_| was_within)) {
                (true, Some(block)) => *block += &format!("{text}\n"),
                (true, None) => blocks.push(format!("{text}\n")),
                (false, _) => {}
            }
        }
        blocks
    }

    /// What stands between single backquotes.
    pub(super) fn inline_code(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (line, text, place) in self.lines() {
            if place == Place::Prose {
                let pieces = text.split('`').skip(1).step_by(2);
                found.extend(pieces.map(|code| (line, code.to_owned())));
            }
        }
        found
    }

    pub(super) fn headings(&self) -> Vec<Heading> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut headings = Vec::new();
        for (_, text, place) in self.lines() {
            let level = text.bytes().take_while(|byte| *byte == b'#').count();
            if place != Place::Prose || level == 0 || !text[level..].starts_with(' ') {
                continue;
            }
            let slug = slug(text[level..].trim());
            let count = seen.entry(slug.clone()).or_default();
            let anchor = if *count == 0 { slug } else { format!("{slug}-{count}") };
            *count += 1;
            headings.push(Heading { level, anchor });
        }
        headings
    }

    /// Where its links and pictures lead, with the line.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (line, text, place) in self.lines() {
            if place != Place::Prose {
                continue;
            }
            // What is code is no link.
            let prose: String = text.split('`').step_by(2).collect::<Vec<_>>().join("code");
            for rest in prose.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                found.push((line, target.to_owned()));
            }
        }
        found
    }
}

/// As GitHub does: small letters, hyphens for spaces, and nothing but letters, digits, `-` and `_`.
fn slug(heading: &str) -> String {
    // Of a link its text counts.
    let mut text = heading.to_owned();
    while let Some((before, after)) = text.clone().split_once("](") {
        let rest = after.split_once(')').map_or("", |(_, rest)| rest);
        text = format!("{before}{rest}");
    }
    let kept = text.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter if letter.is_alphanumeric() => Some(letter),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// The repository's root.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the repository")
        .to_owned()
}

/// The text of a file of the repository.
pub(super) fn text(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The page at this path.
pub(super) fn page(path: &str) -> Page {
    Page { path: path.to_owned(), text: text(path) }
}

/// Every Markdown file of the repository.
pub(super) fn all_pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(&root(), &mut paths);
    paths.sort();
    let root = root();
    let found = |path: PathBuf| {
        let below = path.strip_prefix(&root).expect("it was found there");
        page(&below.to_str().expect("names of pages are text").replace('\\', "/"))
    };
    paths.into_iter().map(found).collect()
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What is built, installed or git's is not the repository's.
        let is_foreign =
            ["target", "node_modules", "build"].contains(&name) || name.starts_with('.');
        if path.is_dir() && !path.is_symlink() && !is_foreign {
            collect(&path, pages);
        } else if name.ends_with(".md") && path.is_file() {
            pages.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_links_and_anchors_are_found_where_readers_see_them() {
        let text = "# A `b`: c_d, [e](f.md)\n\n## Two\n## Two\n```sh\n# no command\nx \\\n  y  # why\n\ncat <<'END'\n# z\nEND\n\
                    ```\n\n    aws s3\n- [g](h.md#i), `[no](link)`\n    [j](k.md)\n```\ncargo lab\n```\n";
        let page = Page { path: "p.md".to_owned(), text: text.to_owned() };
        let commands: Vec<_> =
            page.commands().into_iter().map(|command| (command.line, command.text)).collect();
        assert_eq!(
            commands,
            [(7, "x \\\n  y  # why".to_owned()), (10, "cat <<'END'\n# z\nEND".to_owned())]
        );
        let anchors: Vec<_> = page.headings().into_iter().map(|heading| heading.anchor).collect();
        assert_eq!(anchors, ["a-b-c_d-e", "two", "two-1"]);
        let links: Vec<_> = page.links().into_iter().map(|(_, link)| link).collect();
        assert_eq!(links, ["f.md", "h.md#i", "k.md"]);
        assert_eq!(page.lines_of_text_blocks(), [(15, "aws s3"), (19, "cargo lab")]);
    }
}
