//! What arrives over HTTP: the signature is verified, then the action is done.

use std::collections::HashMap;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::Service;
use super::directory::{Described, Directory, Principal};
use super::sigv4::{self, Authorization, Signed};
use super::xml::{AwsError, element};

/// How far a request's date may be from the server's clock.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// A request that has been taken apart, with its signature yet to be verified.
pub(super) struct Call<'r> {
    pub(super) action: String,
    parameters: HashMap<String, String>,
    request: &'r Request<Bytes>,
}

impl<'r> Call<'r> {
    pub(super) fn parse(request: &'r Request<Bytes>) -> Self {
        let query = request.uri().query().unwrap_or("").as_bytes();
        let pairs = form_urlencoded::parse(query).chain(form_urlencoded::parse(request.body()));
        let parameters: HashMap<String, String> =
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let action = parameters.get("Action").cloned().unwrap_or_default();
        Self { action, parameters, request }
    }

    /// The service that the signature is scoped to, or else the one that has the action.
    pub(super) fn service(&self) -> Service {
        let authorization = self.header("authorization");
        let scope = authorization.and_then(|value| Authorization::parse(value).ok());
        match (scope.as_ref().map(|scope| scope.service.as_str()), self.action.as_str()) {
            (Some("iam"), _) | (None, "GetRole" | "GetUser") => Service::Iam,
            _ => Service::Sts,
        }
    }

    pub(super) fn access_key_id(&self) -> Option<String> {
        let authorization = Authorization::parse(self.header("authorization")?).ok()?;
        Some(authorization.access_key_id)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    fn parameter(&self, name: &str) -> Result<&str, AwsError> {
        let value = self.parameters.get(name).map(String::as_str).filter(|v| !v.is_empty());
        value.ok_or_else(|| {
            AwsError::invalid(
                "ValidationError",
                format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    /// Who signed this, in the order in which AWS checks: form, scope, date, key, signature.
    pub(super) fn verify(
        &self,
        directory: &Directory,
        region: &str,
        now: Timestamp,
    ) -> Result<Principal, AwsError> {
        let header = self.request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        let header = header.ok_or_else(|| {
            AwsError::forbidden(
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            )
        })?;
        let authorization = Authorization::parse(header)
            .map_err(|error| AwsError::invalid("IncompleteSignature", error))?;
        self.check_scope(&authorization, region)?;
        let amz_date = self.header("x-amz-date").ok_or_else(|| {
            AwsError::invalid(
                "IncompleteSignature",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            )
        })?;
        check_date(&authorization, amz_date, now)?;
        let key = directory.key(&authorization.access_key_id, now);
        let token = self.header("x-amz-security-token");
        let key = key.filter(|key| key.token_is(token)).ok_or_else(|| {
            AwsError::forbidden(
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )
        })?;
        let uri = self.request.uri();
        let signed = Signed {
            body: self.request.body(),
            headers: self.request.headers(),
            method: self.request.method().as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or(""),
        };
        if !authorization.holds(&signed, amz_date, &key.secret) {
            return Err(AwsError::forbidden(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
            ));
        }
        if key.is_expired {
            return Err(AwsError::forbidden(
                "ExpiredToken",
                "The security token included in the request is expired",
            ));
        }
        Ok(key.principal)
    }

    fn check_scope(&self, authorization: &Authorization, region: &str) -> Result<(), AwsError> {
        let service = self.service().name();
        if authorization.service != service {
            return Err(AwsError::forbidden(
                "SignatureDoesNotMatch",
                format!("Credential should be scoped to correct service: '{service}'. "),
            ));
        }
        // IAM is one for the whole world. Vault signs for a region it picks at random when
        // its iam_endpoint is set, so a stand-in for IAM cannot insist on us-east-1.
        if service == "sts" && authorization.region != region {
            return Err(AwsError::forbidden(
                "SignatureDoesNotMatch",
                format!(
                    "Credential should be scoped to a valid region, not '{}'. ",
                    authorization.region
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn perform(
        &self,
        directory: &mut Directory,
        caller: &Principal,
        now: Timestamp,
    ) -> Result<String, AwsError> {
        match (self.service(), self.action.as_str()) {
            (Service::Sts, "GetCallerIdentity") => {
                let (arn, id) = directory.identity(caller);
                let account = element("Account", &directory.account);
                Ok(element("Arn", &arn) + &element("UserId", &id) + &account)
            }
            (Service::Sts, "AssumeRole") => self.assume_role(directory, caller, now),
            (Service::Iam, "GetRole") => {
                let name = self.parameter("RoleName")?;
                let arn = directory.role_arn(name);
                permitted(directory, caller, "iam:GetRole", &arn)?;
                let role = directory.role(name);
                let role = role.ok_or_else(|| {
                    AwsError::not_found(format!("The role with name {name} cannot be found."))
                })?;
                Ok(described("Role", &role))
            }
            (Service::Iam, "GetUser") => self.user(directory, caller),
            (_, action) => Err(AwsError::invalid(
                "InvalidAction",
                format!("Could not find operation {action} for this service"),
            )),
        }
    }

    /// Without a name, the caller itself.
    fn user(&self, directory: &Directory, caller: &Principal) -> Result<String, AwsError> {
        let name = match (self.parameters.get("UserName"), caller) {
            (Some(name), _) | (None, Principal::User(name)) => name,
            (None, Principal::Session { .. }) => {
                return Err(AwsError::invalid(
                    "ValidationError",
                    "Must specify userName when calling with non-User credentials",
                ));
            }
        };
        permitted(directory, caller, "iam:GetUser", &directory.user_arn(name))?;
        let user = directory.user(name);
        let user = user.ok_or_else(|| {
            AwsError::not_found(format!("The user with name {name} cannot be found."))
        })?;
        Ok(described("User", &user))
    }

    fn assume_role(
        &self,
        directory: &mut Directory,
        caller: &Principal,
        now: Timestamp,
    ) -> Result<String, AwsError> {
        let arn = self.parameter("RoleArn")?;
        let session = self.parameter("RoleSessionName")?;
        let seconds = match self.parameters.get("DurationSeconds") {
            None => 3600,
            Some(text) => {
                text.parse().ok().filter(|s| (900..=43_200).contains(s)).ok_or_else(|| {
                    AwsError::invalid(
                        "ValidationError",
                        "Member must have value between 900 and 43200",
                    )
                })?
            }
        };
        let external_id = self.parameters.get("ExternalId").map(String::as_str);
        let prefix = directory.role_arn("");
        let role = arn.strip_prefix(&prefix).map(|path| path.rsplit('/').next().unwrap_or(path));
        let role = role.filter(|role| directory.may_assume(caller, role, external_id));
        let role = role.ok_or_else(|| not_authorized(directory, caller, "sts:AssumeRole", arn))?;
        let (credentials, until) = directory.open_session(role, session, seconds, now);
        let opened = Principal::Session { name: session.to_owned(), role: role.to_owned() };
        let (session_arn, id) = directory.identity(&opened);
        let token = credentials.session_token.as_ref().map_or("", |token| token.expose_secret());
        // The keys are the answer.
        Ok(format!(
            "<Credentials>{}{}{}{}</Credentials><AssumedRoleUser>{}{}</AssumedRoleUser>",
            element("AccessKeyId", &credentials.access_key_id),
            element("SecretAccessKey", credentials.secret_access_key.expose_secret()),
            element("SessionToken", token),
            element("Expiration", &date(until)),
            element("AssumedRoleId", &id),
            element("Arn", &session_arn),
        ))
    }
}

fn check_date(
    authorization: &Authorization,
    amz_date: &str,
    now: Timestamp,
) -> Result<(), AwsError> {
    let dated = sigv4::parse_amz_date(amz_date).ok_or_else(|| {
        AwsError::invalid("IncompleteSignature", "Date must be in ISO-8601 'basic format'.")
    })?;
    if !amz_date.starts_with(&authorization.date) {
        return Err(AwsError::forbidden(
            "SignatureDoesNotMatch",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
        ));
    }
    let earliest = now.saturating_add(-SKEW).unwrap_or(now);
    let latest = now.saturating_add(SKEW).unwrap_or(now);
    let (given, now) = (sigv4::amz_date(dated), sigv4::amz_date(now));
    let refused = if dated < earliest {
        let limit = sigv4::amz_date(earliest);
        format!("Signature expired: {given} is now earlier than {limit} ({now} - 15 min.)")
    } else if dated > latest {
        let limit = sigv4::amz_date(latest);
        format!("Signature not yet current: {given} is still later than {limit} ({now} + 15 min.)")
    } else {
        return Ok(());
    };
    Err(AwsError::forbidden("SignatureDoesNotMatch", refused))
}

fn permitted(
    directory: &Directory,
    caller: &Principal,
    action: &str,
    resource: &str,
) -> Result<(), AwsError> {
    if directory.allows(caller, action, resource) {
        return Ok(());
    }
    Err(not_authorized(directory, caller, action, resource))
}

fn not_authorized(
    directory: &Directory,
    caller: &Principal,
    action: &str,
    resource: &str,
) -> AwsError {
    let (arn, _) = directory.identity(caller);
    AwsError::forbidden(
        "AccessDenied",
        format!("User: {arn} is not authorized to perform: {action} on resource: {resource}"),
    )
}

fn described(kind: &str, entity: &Described) -> String {
    let trust = entity.trust.as_ref().map_or_else(String::new, |trust| {
        let encoded: String = form_urlencoded::byte_serialize(trust.as_bytes()).collect();
        // IAM encodes as RFC 3986 does: a space is %20.
        element("AssumeRolePolicyDocument", &encoded.replace('+', "%20"))
    });
    format!(
        "<{kind}><Path>/</Path>{}{}{}{}{trust}</{kind}>",
        element(&format!("{kind}Name"), &entity.name),
        element(&format!("{kind}Id"), &entity.id),
        element("Arn", &entity.arn),
        element("CreateDate", &date(entity.created)),
    )
}

fn date(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
