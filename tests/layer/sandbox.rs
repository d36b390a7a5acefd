//! The practice in a root of the test's own: real Vault over TLS, known by a name that a name server must be asked for,
//! and the extension of the layer between them and a stand-in of Lambda.

use std::net::Ipv4Addr;

use strongroom_tests::beds::{self, Authority, Certified, Moto, Part, Process, Vault, practice};
use strongroom_tests::stage::names::{NameServer, Reply};
use tokio::runtime::Runtime;

use super::lambda::Lambda;
use super::root::{Processor, Root};

/// What a test in a root of its own needs.
pub(crate) const NEEDED: [Part; 4] = [Part::Layer, Part::Moto, Part::PrivateNetwork, Part::Vault];

/// The same with the layer for this processor.
pub(crate) fn needed(processor: Processor) -> Vec<Part> {
    let of_layer: &[Part] = match processor {
        Processor::Arm64 => &[Part::Arm64Layer, Part::Qemu],
        Processor::Ours => &[Part::Layer],
    };
    [of_layer, &NEEDED[1..]].concat()
}

/// What Vault's certificate is for, and what the name server calls it.
pub(crate) const HOST: &str = "vault.strongroom.test";

/// Everything but the root; make it in a network of one's own.
pub(crate) struct Sandbox {
    pub(crate) lambda: Lambda,
    pub(crate) names: NameServer,
    pub(crate) vault: Vault,
    /// Those of every process of the environment.
    pub(crate) variables: Vec<(String, String)>,
    runtime: Runtime,
    _moto: Moto,
}

impl Sandbox {
    /// Sets the practice up; `name` is what the extension knows Vault by.
    pub(crate) fn set_up(name: &str, reply: Reply) -> Self {
        let moto = Moto::start();
        let authority = Authority::new();
        let names = [HOST, "vault", "127.0.0.1"];
        let Certified { certificate, key } = authority.server_of_many(&names);
        let vault = Vault::start_with_tls("127.0.0.1:8300", &certificate, &key, &authority.pem);
        vault.set_up_practice(&moto);
        // Its threads are started by this one, so that they are in the same network.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let names = runtime.block_on(NameServer::start(reply));
        let lambda = Lambda::start(&runtime);
        let session = &moto.session;
        let variables = [
            ("AWS_ACCESS_KEY_ID", session.id.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", practice::FUNCTION),
            ("AWS_LAMBDA_RUNTIME_API", &lambda.address),
            ("AWS_REGION", practice::REGION),
            ("AWS_SECRET_ACCESS_KEY", &session.secret),
            ("AWS_SESSION_TOKEN", session.token.as_deref().unwrap()),
            ("VAULT_ADDR", &format!("https://{name}:8300")),
            ("VAULT_AUTH_PROVIDER", "aws"),
            ("VAULT_AUTH_ROLE", practice::ROLE),
            ("VAULT_CACERT_BYTES", &authority.pem),
            ("VAULT_IAM_SERVER_ID", practice::SERVER_ID),
            ("VAULT_LOG_LEVEL", "DEBUG"),
            ("VAULT_SECRET_PATH", practice::SECRET_PATH),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let variables = variables.map(owned).to_vec();
        Self { lambda, names, vault, variables, runtime, _moto: moto }
    }

    /// Starts the layer's extension in a root, and waits until it has what it needs from Vault.
    pub(crate) fn start_extension(&mut self, root: &Root) -> Process {
        let extension = root.run(&["/opt/extensions/strongroom"], &self.variables);
        for call in ["register", "event/next"] {
            self.wait_for(call, &extension);
        }
        extension
    }

    fn wait_for(&mut self, call: &str, extension: &Process) {
        let called = self.lambda.wait_for(call, &self.runtime);
        called.unwrap_or_else(|error| panic!("{error}; the extension:\n{}", extension.output()));
    }

    /// Has a function read its secret by file and through the local Vault API, then ends the environment.
    pub(crate) fn check(mut self, root: &Root, mut extension: Process) {
        let file = root.read("/tmp/vault/secret.json");
        assert!(file.contains(practice::SECRET_VALUE), "{file}");
        self.lambda.invoke();
        let url = format!("http://127.0.0.1:8200/v1/{}", practice::SECRET_PATH);
        let answer = beds::request("GET", &url, &[], b"");
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {}", extension.output()));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["data"], self.vault.read(practice::SECRET_PATH)["data"]);
        self.wait_for("event/next", &extension);
        self.lambda.shut_down();
        assert!(extension.wait().success(), "{}", extension.output());
    }
}

/// Where loopback is, whatever is asked for.
pub(crate) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
