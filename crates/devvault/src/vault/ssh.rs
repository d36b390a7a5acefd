//! The SSH engine's one-time passwords: secrets whose lease cannot be renewed.
//! <https://developer.hashicorp.com/vault/api-docs/secret/ssh>
//!
//! Certificates it does not sign, and nobody can have a password verified here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::leases::{Given, Leased, Terms};
use super::request::{ApiRequest, Operation, Params};
use crate::random;

const TYPE: &str = "ssh";

#[derive(Default)]
pub(super) struct Ssh(BTreeMap<String, Role>);

struct Role {
    allowed_users: String,
    cidr_list: String,
    default_user: String,
    port: i64,
}

impl Ssh {
    pub(super) fn exists(&self, path: &str) -> bool {
        path.strip_prefix("roles/").is_none_or(|name| self.0.contains_key(name))
    }

    pub(super) fn answer(&mut self, path: &str, request: &ApiRequest) -> Result<Given, Refusal> {
        let (area, name) = path.split_once('/').unwrap_or((path, ""));
        Ok(match (area, request.operation) {
            ("roles", Operation::List) => self.list()?.into(),
            ("creds" | "roles", _) if name.is_empty() || name.contains('/') => {
                return Err(Refusal::unsupported_path());
            }
            ("roles", Operation::Read) => {
                let role = self.0.get(name).ok_or_else(Refusal::not_found)?;
                Answer::data(TYPE, role.document()).into()
            }
            ("roles", Operation::Write) => {
                self.0.insert(name.to_owned(), Role::written(&request.params)?);
                Answer::NoContent.into()
            }
            ("roles", Operation::Delete) => {
                self.0.remove(name);
                Answer::NoContent.into()
            }
            ("creds", Operation::Write) => {
                let role = self.0.get(name);
                let role =
                    role.ok_or_else(|| Refusal::invalid(format!("Role {name:?} not found")))?;
                Given::Leased(role.password(&request.params)?)
            }
            ("creds" | "roles", _) => return Err(Refusal::unsupported_operation()),
            _ => return Err(Refusal::unsupported_path()),
        })
    }

    fn list(&self) -> Result<Answer, Refusal> {
        if self.0.is_empty() {
            return Err(Refusal::not_found());
        }
        let info = self.0.keys().map(|name| (name.clone(), json!({ "key_type": "otp" })));
        let info = info.collect::<serde_json::Map<_, _>>();
        let data = json!({ "key_info": info, "keys": self.0.keys().collect::<Vec<_>>() });
        Ok(Answer::data(TYPE, data))
    }
}

impl Role {
    fn written(params: &Params) -> Result<Self, Refusal> {
        if params.text("key_type")?.as_deref() != Some("otp") {
            return Err(Refusal::invalid(
                "devvault makes one-time passwords: key_type must be otp",
            ));
        }
        let text = |name| Ok::<_, Refusal>(params.text(name)?.unwrap_or_default());
        let role = Self {
            allowed_users: text("allowed_users")?,
            cidr_list: text("cidr_list")?,
            default_user: text("default_user")?,
            port: params.integer("port")?.unwrap_or(22),
        };
        if role.default_user.is_empty() {
            return Err(Refusal::invalid("missing default user"));
        }
        Ok(role)
    }

    fn password(&self, params: &Params) -> Result<Leased, Refusal> {
        let ip = params.text("ip")?.filter(|ip| !ip.is_empty());
        let ip = ip.ok_or_else(|| Refusal::invalid("Missing ip"))?;
        let user = params.text("username")?.filter(|user| !user.is_empty());
        let user = user.unwrap_or_else(|| self.default_user.clone());
        self.check_user(&user)?;
        let address: IpAddr =
            ip.parse().map_err(|_| Refusal::invalid(format!("Invalid IP {ip:?}")))?;
        if !self.cidr_list.split(',').any(|block| contains(block.trim(), address)) {
            return Err(Refusal::invalid("Error validating IP: IP does not belong to role"));
        }
        let data = json!({
            "ip": ip,
            "key": random::uuid(),
            "key_type": "otp",
            "port": self.port,
            "username": user,
        });
        Ok(Leased { data, mount_type: TYPE, renewable: false, terms: Terms::default() })
    }

    fn check_user(&self, user: &str) -> Result<(), Refusal> {
        let mut allowed = self.allowed_users.split(',').map(str::trim);
        if user == self.default_user || allowed.any(|name| name == "*" || name == user) {
            return Ok(());
        }
        Err(Refusal::invalid(if self.allowed_users.is_empty() {
            "Username has to be either in allowed users list or has to be a default username"
        } else {
            "Username is not present is allowed users list"
        }))
    }

    fn document(&self) -> Value {
        json!({
            "allowed_users": self.allowed_users,
            "cidr_list": self.cidr_list,
            "default_user": self.default_user,
            "exclude_cidr_list": "",
            "key_type": "otp",
            "port": self.port,
        })
    }
}

/// Whether an address lies in a block such as `10.0.0.0/8`.
fn contains(block: &str, address: IpAddr) -> bool {
    let Some((network, length)) = block.split_once('/') else { return false };
    let (Ok(network), Ok(length)) = (network.parse(), length.parse::<u32>()) else { return false };
    // As 128 bits, with the 32 of version 4 at the top.
    let bits = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
    let same_kind = address.is_ipv4() == IpAddr::is_ipv4(&network);
    same_kind && length <= most && (bits(address) ^ bits(network)) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_what_begins_as_it_does() {
        let check = |block, address: &str, expect| {
            assert_eq!(contains(block, address.parse().expect("an address")), expect, "{block}");
        };
        check("127.0.0.0/8", "127.1.2.3", true);
        check("127.0.0.0/8", "128.0.0.0", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.2.3/32", "10.1.2.4", false);
        check("10.1.2.3/33", "10.1.2.3", false);
        check("::/0", "10.1.2.3", false);
        check("fe80::/10", "fe80::1", true);
        check("nonsense", "10.1.2.3", false);
        check("", "10.1.2.3", false);
    }
}
