//! Files of variables as `docker run --env-file` reads them: no quotes, nothing is replaced.
//! <https://docs.docker.com/reference/cli/docker/container/run/#env>

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The variables in the file at `path`.
///
/// # Errors
/// It cannot be read, or a line of it is none of a variable.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let from_here = |name: &str| std::env::var(name).ok();
    parse(&text, from_here).with_context(|| path.display().to_string())
}

/// The variables in `text`; `from_here` gives the value of those that are only named.
fn parse(text: &str, from_here: impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), from_here(line.trim_end())),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            // The line itself may be a secret that lost its place.
            bail!("line {} does not begin with NAME=: write one variable a line", index + 1);
        }
        variables.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        let text = "\u{feff}# comment\n\nA=1\n  B = 2".replace("B = 2", "B= 2 ")
            + "\r\nC=\"x\" # y\nD=a=b\nE=\nHERE\nNOT_HERE \n";
        let here = |name: &str| (name == "HERE").then(|| "h".to_owned());
        let expected =
            [("A", "1"), ("B", " 2 "), ("C", "\"x\" # y"), ("D", "a=b"), ("E", ""), ("HERE", "h")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(&text, here).unwrap(), expected);
    }

    #[test]
    fn a_line_without_a_name_is_refused_by_its_number_and_not_shown() {
        for text in ["A=1\n=canary", "A=1\nthe canary = 1", "A=1\nexport canary=1"] {
            let error = parse(text, |_| None).unwrap_err().to_string();
            assert_eq!(error, "line 2 does not begin with NAME=: write one variable a line");
        }
    }
}
