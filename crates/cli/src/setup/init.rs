//! `setup init`: asks for what cannot be guessed, and writes a settings file that says what else there is.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use strongroom_core::address::{Address, Origin};

/// Where it is written, and whether over what is there.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "strongroom.toml")]
    config: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Asks, and writes the file.
///
/// # Errors
/// It is there already, cannot be written, or an answer is missing.
pub(super) fn run(options: &Options) -> Result<()> {
    let path = &options.config;
    if path.exists() && !options.force {
        bail!(
            "{} is there already; hint: name another by --config, or pass --force",
            path.display()
        );
    }
    let mut asked = Asked { answers: io::stdin().lock(), questions: io::stderr().lock() };
    let shell = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let text = file(&mut asked, &shell)?;
    write(path, &text)?;
    let told = writeln!(
        io::stdout(),
        "{} is written. Look at it, then: strongroom setup plan --config {}",
        path.display(),
        path.display()
    );
    told.context("cannot say so")
}

fn write(path: &Path, text: &str) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a settings file holds no secret")]
    let written = std::fs::write(path, text);
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Who is asked.
struct Asked<R, W> {
    answers: R,
    questions: W,
}

impl<R: BufRead, W: Write> Asked<R, W> {
    /// The answer, or what stands for none.
    fn answer(&mut self, question: &str, default: Option<&str>) -> Result<String> {
        match default {
            Some("") | None => write!(self.questions, "{question}: "),
            Some(default) => write!(self.questions, "{question} [{default}]: "),
        }
        .and_then(|()| self.questions.flush())
        .context("cannot ask")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("cannot read an answer")?;
        let answer = answer.trim();
        match (answer, default) {
            ("", Some(default)) => Ok(default.to_owned()),
            ("", None) => bail!("there is no going on without an answer to this: {question}"),
            (answer, _) => Ok(answer.to_owned()),
        }
    }
}

fn file<R: BufRead, W: Write>(
    asked: &mut Asked<R, W>,
    shell: &impl Fn(&str) -> Option<String>,
) -> Result<String> {
    let address = asked.answer(
        "Where Vault is, such as https://vault.example.com:8200",
        shell("VAULT_ADDR").as_deref(),
    )?;
    let Address::Tcp(origin) = Address::parse(&address).context("this is no address of Vault")?
    else {
        bail!("a function cannot reach a Unix socket; hint: give an address with https://");
    };
    let namespace = shell("VAULT_NAMESPACE");
    let usual = if is_hcp(&origin) { "admin" } else { "" };
    let namespace = namespace.as_deref().unwrap_or(usual);
    let namespace = asked.answer("Its namespace, if any", Some(namespace))?;
    let functions = asked.answer("Names of the functions, separated by commas", None)?;
    let functions: Vec<&str> =
        functions.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let first = functions.first().context("no function is named")?;
    let region = shell("AWS_REGION").or_else(|| shell("AWS_DEFAULT_REGION"));
    let region = asked.answer("Their region", region.as_deref())?;
    let mount = asked.answer(
        "The path of Vault's AWS auth method, which is made if it is not there",
        Some("aws"),
    )?;
    let role = asked.answer("The name of the functions' role in Vault", Some(first))?;
    let mut secrets = String::new();
    loop {
        let path = asked
            .answer("The path of a secret, such as kv/data/app; nothing for no more", Some(""))?;
        if path.is_empty() {
            break;
        }
        secrets.push_str(&secret(asked, &path)?);
    }
    if secrets.is_empty() {
        secrets.push_str(NO_SECRET);
    }
    let namespace = match namespace.as_str() {
        "" => "# VAULT_NAMESPACE = \"admin\"".to_owned(),
        namespace => format!("VAULT_NAMESPACE = {}", quoted(namespace)),
    };
    let text = TEMPLATE
        .replace("@ADDRESS@", &quoted(&address))
        .replace("@NAMESPACE@", &namespace)
        .replace("@MOUNT@", &quoted(&mount))
        .replace("@ROLE@", &quoted(&role))
        .replace("@SERVER@", &quoted(&origin.host))
        .replace("@SECRETS@", &secrets)
        .replace("@REGION@", &quoted(&region));
    let functions = functions.iter().enumerate().map(|(index, name)| {
        let rest = if index == 0 { FIRST_FUNCTION } else { "" };
        format!("\n[[setup.function]]\nname = {}\n{rest}", quoted(name))
    });
    Ok(text + &functions.collect::<String>())
}

fn secret<R: BufRead, W: Write>(asked: &mut Asked<R, W>, path: &str) -> Result<String> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let way = asked.answer("Does it come as a file or as a variable", Some("file"))?;
    match way.as_str() {
        "file" => {
            let file = asked.answer("The file, below /tmp/vault", Some(&format!("{last}.json")))?;
            Ok(format!("\n[[secret]]\npath = {}\nfile = {}\n", quoted(path), quoted(&file)))
        }
        "variable" => {
            let name = last.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            let name = asked.answer("The variable", Some(&name))?;
            let field =
                asked.answer("The field of the secret, or * for all of them as JSON", Some("*"))?;
            Ok(format!(
                "\n[[secret]]\npath = {}\nvariable = {}\nfield = {}\n",
                quoted(path),
                quoted(&name),
                quoted(&field)
            ))
        }
        other => bail!("{other} is neither file nor variable"),
    }
}

fn is_hcp(origin: &Origin) -> bool {
    origin.host.ends_with(".hashicorp.cloud")
}

/// What is a text in JSON is one in TOML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const TEMPLATE: &str = include_str!("init/template.toml");
const NO_SECRET: &str = "
# [[secret]]
# path = \"kv/data/app\"
# file = \"app.json\"
";
const FIRST_FUNCTION: &str = include_str!("init/function.toml");

#[cfg(test)]
mod tests {
    use strongroom_core::settings::{Environment, SettingsFile};

    use super::*;
    use crate::setup::document;
    use crate::setup::wish::Wish;

    fn answered(answers: &str) -> Result<(String, String)> {
        let mut questions = Vec::new();
        let mut asked = Asked { answers: answers.as_bytes(), questions: &mut questions };
        let shell = |name: &str| (name == "AWS_REGION").then(|| "eu-west-1".to_owned());
        let text = file(&mut asked, &shell)?;
        Ok((text, String::from_utf8(questions).unwrap()))
    }

    fn wish(text: &str) -> Wish {
        let environment =
            Environment::new([]).with_file(SettingsFile::parse("s.toml", text.as_bytes()));
        Wish::new(&environment, document::read("s.toml", text).unwrap(), None).unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_answered() {
        let answers = "https://vault.example.com:8200\nteam\norders, bills\n\n\napp\nkv/data/app\n\n\n\
                       kv/data/db\nvariable\n\npassword\n\n";
        let (text, questions) = answered(answers).unwrap();
        let wish = wish(&text);
        assert_eq!(wish.owner_of_role(), "vault.example.com:8200/team/auth/aws/role/app");
        assert_eq!(wish.server_id.as_deref(), Some("vault.example.com"));
        let functions: Vec<_> =
            wish.functions.iter().map(|f| (f.name.as_str(), f.region.as_str())).collect();
        assert_eq!(functions, [("orders", "eu-west-1"), ("bills", "eu-west-1")]);
        assert_eq!(wish.paths.iter().collect::<Vec<_>>(), ["kv/data/app", "kv/data/db"]);
        assert_eq!(wish.variables["VAULT_SECRET_FILE_1"], "app.json");
        assert_eq!(wish.variables["DB"], "vault:kv/data/db#password");
        assert!(questions.contains("Their region [eu-west-1]: "), "{questions}");
    }

    #[test]
    fn whatever_the_file_shows_as_a_comment_can_be_used() {
        let (text, _) = answered(
            "https://c.vault.aws.hashicorp.cloud:8200\n\norders\n\n\n\nkv/data/app\n\n\n\n",
        )
        .unwrap();
        assert!(text.contains("VAULT_NAMESPACE = \"admin\""), "{text}");
        // Only lines that are settings begin so.
        let lines = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
            _ => line,
        });
        let all = lines.filter(|line| {
            !line.starts_with("identity") && !line.starts_with("credentials = \"none")
        });
        let all = all.collect::<Vec<_>>().join("\n");
        let setup = document::read("s.toml", &all).unwrap();
        assert_eq!(setup.vault.user.as_deref(), Some("strongroom-vault"), "{all}");
        assert_eq!(setup.functions[0].runtime.as_deref(), Some("python3.12"));
    }

    #[test]
    fn what_has_no_default_must_be_answered() {
        let error = answered("").unwrap_err().to_string();
        assert!(
            error.starts_with("there is no going on without an answer to this: Where Vault is"),
            "{error}"
        );
        let error = answered("vault.example.com\n").unwrap_err();
        assert!(format!("{error:#}").contains("no address of Vault"), "{error:#}");
    }
}
