//! What an administrator's token shows of the auth method and the role: why a login is refused that cannot be made here.

use serde_json::Value;
use strongroom_core::diagnosis::sayings::laptop;
use strongroom_core::diagnosis::{Binding, Check, Report, judge_binding};
use strongroom_core::settings::{AwsIam, Identity};
use strongroom_vault::aws::sts;
use strongroom_vault::client::{Client, Request};
use strongroom_vault::clock::Deadline;
use strongroom_vault::token::Token;

use crate::vault_token;

/// Someone who may read auth methods, beside a login by AWS.
pub(super) struct Administrator {
    token: Token,
    login: AwsIam,
}

impl Administrator {
    /// The one whose token is at hand.
    pub(super) fn at_hand(identity: &Identity) -> Option<Self> {
        let Identity::AwsIam(login) = identity else { return None };
        let token = Token::given(vault_token::at_hand()?)?;
        Some(Self { token, login: login.clone() })
    }

    /// Reads role and configuration; says nothing where it may not.
    pub(super) async fn check(&self, client: &Client, role_arn: Option<&str>, report: &mut Report) {
        if !report.findings.iter().any(|finding| finding.check == Check::AuthMount) {
            return;
        }
        let AwsIam { mount, role, .. } = &self.login;
        if let Some(found) = self.read(client, &format!("auth/{mount}/role/{role}")).await {
            let arns = found["bound_iam_principal_arn"].as_array().into_iter().flatten();
            let binding = Binding {
                auth_type: found["auth_type"].as_str().unwrap_or("iam").to_owned(),
                arns: arns.filter_map(Value::as_str).map(str::to_owned).collect(),
                by_unique_id: found["resolve_aws_unique_ids"].as_bool().unwrap_or(true),
            };
            judge_binding(report, &binding, role_arn);
        }
        if let Some(config) = self.read(client, &format!("auth/{mount}/config/client")).await {
            self.judge_config(&config, report);
        }
        report.name_login(mount, role);
    }

    async fn read(&self, client: &Client, path: &str) -> Option<Value> {
        let request = Request::read(path);
        let deadline: Deadline = client.clock().deadline_in(super::PATIENCE);
        let mut reply = client.request(request, Some(&self.token), deadline).await.ok()?;
        Some(reply.body["data"].take()).filter(Value::is_object)
    }

    fn judge_config(&self, config: &Value, report: &mut Report) {
        let text = |name: &str| config[name].as_str().unwrap_or_default();
        match (text("iam_server_id_header_value"), self.login.server_id.as_deref()) {
            ("", _) => {}
            (wanted, Some(given)) if given == wanted => {}
            (_, None) => report.fault(&laptop::SERVER_ID_UNSET, &[]),
            (_, Some(_)) => report.fault(&laptop::OTHER_SERVER_ID, &[]),
        }
        if config["use_sts_region_from_client"] == true {
            let text = "Vault takes the region from the signature (use_sts_region_from_client)";
            return report.holds(Check::Region, text, &[]);
        }
        let (endpoint, region) = (text("sts_endpoint"), text("sts_region"));
        let of_endpoint = sts::region_of_url(endpoint);
        if let Some(of_endpoint) = of_endpoint.filter(|of_endpoint| *of_endpoint != region) {
            report.fault(&laptop::NO_PAIR, &[endpoint, region, of_endpoint]);
        }
        let signed_for =
            self.login.sts_region.as_deref().filter(|signed_for| *signed_for != region);
        if let Some(signed_for) = signed_for.filter(|_| !region.is_empty()) {
            report.fault(&laptop::OTHER_REGION, &[region, signed_for]);
        }
    }
}
