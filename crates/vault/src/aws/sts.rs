//! Which STS endpoint a login is signed for.
//!
//! The endpoint signed for is not the endpoint asked: Vault sends the signed request on to the STS
//! that it was configured with, so the two must be a pair. What Vault was configured with cannot
//! be seen from here, so there is a first guess and, mostly, a second one.
//!
//! | Vault's AWS auth configuration | what must be signed |
//! |---|---|
//! | nothing | `us-east-1`, `sts.amazonaws.com` |
//! | `sts_endpoint` and `sts_region` of R | R, `sts.R.amazonaws.com` |
//! | `use_sts_region_from_client` | any region |

use http::Uri;
use http::uri::{Authority, Scheme};

/// The region that the global endpoint is signed for.
const GLOBAL_REGION: &str = "us-east-1";

/// What decides; each value as its variable says it, an empty one is `None`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dual_stack: Addressing,
    /// `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub fips: Cryptography,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: where the function runs.
    pub lambda_region: Option<String>,
    /// `AWS_STS_REGIONAL_ENDPOINTS`.
    pub preference: Preference,
    /// `VAULT_STS_ENDPOINT_REGION`.
    pub sts_endpoint_region: Option<String>,
}

impl Settings {
    /// Reads AWS's own variables through `lookup`, which answers `None` for an empty one.
    /// `VAULT_STS_ENDPOINT_REGION` is among the settings of the login, which adds it.
    #[must_use]
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_true = |name| lookup(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_regional = lookup("AWS_STS_REGIONAL_ENDPOINTS")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("regional"));
        Self {
            dual_stack: if is_true("AWS_USE_DUALSTACK_ENDPOINT") {
                Addressing::DualStack
            } else {
                Addressing::Ipv4
            },
            endpoint_url: lookup("AWS_ENDPOINT_URL_STS").or_else(|| lookup("AWS_ENDPOINT_URL")),
            fips: if is_true("AWS_USE_FIPS_ENDPOINT") {
                Cryptography::Fips
            } else {
                Cryptography::Usual
            },
            lambda_region: lookup("AWS_REGION").or_else(|| lookup("AWS_DEFAULT_REGION")),
            preference: if is_regional { Preference::Regional } else { Preference::Legacy },
            sts_endpoint_region: None,
        }
    }
}

/// How an endpoint can be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Addressing {
    /// By IPv4 and IPv6.
    DualStack,
    /// By IPv4, as always.
    #[default]
    Ipv4,
}

/// What an endpoint's cryptography has been validated for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cryptography {
    /// FIPS 140.
    Fips,
    /// Nothing in particular.
    #[default]
    Usual,
}

/// `AWS_STS_REGIONAL_ENDPOINTS`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preference {
    /// `legacy`, or unset: the global endpoint, which is also what Vault asks if nothing is
    /// configured there.
    #[default]
    Legacy,
    /// `regional`: the endpoint where the function runs.
    Regional,
}

/// An STS endpoint together with the region to sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    region: String,
    url: Uri,
}

impl Endpoint {
    /// The region in the signature's scope.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What is signed and, by `AssumeRole`, asked. Has no query, and `/` as its path unless
    /// `AWS_ENDPOINT_URL_STS` says another.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The value of the `Host` header: with the port, unless it is the scheme's own.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.authority().map_or("", Authority::as_str)
    }

    fn global() -> Self {
        Self {
            region: GLOBAL_REGION.to_owned(),
            url: Uri::from_static("https://sts.amazonaws.com/"),
        }
    }

    fn regional(region: &str, settings: &Settings) -> Result<Self, Error> {
        let host = regional_host(region, settings.fips, settings.dual_stack);
        let url = Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(host)
            .path_and_query("/")
            .build()
            .map_err(|_| Error::Region { variable: region_variable(settings) })?;
        Ok(Self { region: region.to_owned(), url })
    }
}

/// The endpoints to sign a login for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Signed for at first.
    pub first: Endpoint,
    /// Signed for once, if the answer to the first says that its scope is wrong.
    pub second: Option<Endpoint>,
}

impl Candidates {
    /// Decides which endpoints to sign for.
    ///
    /// There is no second one if the user said where (`VAULT_STS_ENDPOINT_REGION`,
    /// `AWS_ENDPOINT_URL_STS`), if it would have the same region, or outside partition aws, whose
    /// credentials are worth nothing in another.
    ///
    /// # Errors
    /// [`Error`] if a region or address is none.
    pub fn decide(settings: &Settings) -> Result<Self, Error> {
        if settings.endpoint_url.is_some() || settings.sts_endpoint_region.is_some() {
            return Ok(Self { first: fixed(settings)?, second: None });
        }
        let region = region(settings)?;
        let regional = Endpoint::regional(region, settings)?;
        if partition(region).name != "aws" {
            return Ok(Self { first: regional, second: None });
        }
        let special =
            settings.fips == Cryptography::Fips || settings.dual_stack == Addressing::DualStack;
        let elsewhere = region != GLOBAL_REGION;
        if special {
            // The global endpoint is neither; its region's own is.
            let second = Endpoint::regional(GLOBAL_REGION, settings)?;
            return Ok(Self { first: regional, second: elsewhere.then_some(second) });
        }
        let (first, second) = match settings.preference {
            Preference::Legacy => (Endpoint::global(), regional),
            Preference::Regional => (regional, Endpoint::global()),
        };
        Ok(Self { first, second: elsewhere.then_some(second) })
    }
}

/// The endpoint to ask for `AssumeRole`, which is a request of our own and so goes where the
/// function runs, or where the user said.
///
/// # Errors
/// [`Error`] if a region or address is none.
pub fn assume_role_endpoint(settings: &Settings) -> Result<Endpoint, Error> {
    fixed(settings)
}

/// Why there is no endpoint to sign for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address of an endpoint is no URL, or holds what must not be there.
    #[error(
        "AWS_ENDPOINT_URL_STS (or AWS_ENDPOINT_URL) is no http or https URL without user, \
         query and fragment"
    )]
    EndpointUrl,
    /// A region's name cannot be part of a host's.
    #[error("{variable} is no AWS region; hint: a region looks like eu-west-1")]
    Region {
        /// The variable.
        variable: &'static str,
    },
}

fn fixed(settings: &Settings) -> Result<Endpoint, Error> {
    let region = region(settings)?;
    match &settings.endpoint_url {
        Some(url) => Ok(Endpoint { region: region.to_owned(), url: custom_url(url)? }),
        None => Endpoint::regional(region, settings),
    }
}

fn region(settings: &Settings) -> Result<&str, Error> {
    let region = settings.sts_endpoint_region.as_ref().or(settings.lambda_region.as_ref());
    let region = region.map_or(GLOBAL_REGION, String::as_str);
    let is_label = !region.is_empty()
        && region.len() <= 63
        && !region.starts_with('-')
        && !region.ends_with('-')
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_label { Ok(region) } else { Err(Error::Region { variable: region_variable(settings) }) }
}

fn region_variable(settings: &Settings) -> &'static str {
    if settings.sts_endpoint_region.is_some() { "VAULT_STS_ENDPOINT_REGION" } else { "AWS_REGION" }
}

fn custom_url(url: &str) -> Result<Uri, Error> {
    let uri: Uri = url.parse().map_err(|_| Error::EndpointUrl)?;
    let plain = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.query().is_none()
        && !url.contains('#');
    if !plain {
        return Err(Error::EndpointUrl);
    }
    // Clients leave the scheme's own port out of `Host`, so it must not be signed either.
    let usual = if uri.scheme() == Some(&Scheme::HTTP) { ":80" } else { ":443" };
    let mut parts = uri.into_parts();
    if let Some(host) = parts.authority.as_ref().and_then(|all| all.as_str().strip_suffix(usual)) {
        parts.authority = Some(host.parse().map_err(|_| Error::EndpointUrl)?);
    }
    Uri::from_parts(parts).map_err(|_| Error::EndpointUrl)
}

/// A group of regions that share accounts and names.
struct Partition {
    name: &'static str,
    region_prefix: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

/// Commercial AWS, and any region not known otherwise.
const AWS: Partition = Partition {
    name: "aws",
    region_prefix: "",
    suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
};

/// As in the AWS SDKs' `partitions.json`.
/// <https://github.com/aws/aws-sdk-go-v2/blob/main/internal/endpoints/awsrulesfn/partitions.json>
const OTHERS: [Partition; 7] = [
    Partition {
        name: "aws-cn",
        region_prefix: "cn-",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition {
        name: "aws-us-gov",
        region_prefix: "us-gov-",
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
    Partition {
        name: "aws-iso",
        region_prefix: "us-iso-",
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
    },
    Partition {
        name: "aws-iso-b",
        region_prefix: "us-isob-",
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
    },
    Partition {
        name: "aws-iso-e",
        region_prefix: "eu-isoe-",
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
    },
    Partition {
        name: "aws-iso-f",
        region_prefix: "us-isof-",
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
    },
    Partition {
        name: "aws-eusc",
        region_prefix: "eusc-",
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
    },
];

/// The name of the partition that a region is of, such as `aws-cn`.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    partition(region).name
}

/// The regional endpoint by IPv4, such as `https://sts.eu-central-1.amazonaws.com`.
#[must_use]
pub fn regional_url(region: &str) -> String {
    format!("https://{}", regional_host(region, Cryptography::Usual, Addressing::Ipv4))
}

/// The region whose endpoint this is; nothing for the global one, and for what is none of AWS's.
#[must_use]
pub fn region_of_url(url: &str) -> Option<&str> {
    let host = url.strip_prefix("https://")?.split(['/', ':']).next()?;
    let regional = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    let (region, suffix) = regional.split_once('.')?;
    let partition = partition(region);
    [partition.suffix, partition.dual_stack_suffix].contains(&suffix).then_some(region)
}

fn partition(region: &str) -> &'static Partition {
    OTHERS.iter().find(|other| region.starts_with(other.region_prefix)).unwrap_or(&AWS)
}

/// <https://docs.aws.amazon.com/general/latest/gr/sts.html>
fn regional_host(region: &str, cryptography: Cryptography, addressing: Addressing) -> String {
    let partition = partition(region);
    let service = match (cryptography, addressing) {
        // In GovCloud the usual endpoints are validated, and have no other name.
        (Cryptography::Fips, Addressing::Ipv4) if partition.name == "aws-us-gov" => "sts",
        (Cryptography::Fips, _) => "sts-fips",
        (Cryptography::Usual, _) => "sts",
    };
    let suffix = match addressing {
        Addressing::DualStack => partition.dual_stack_suffix,
        Addressing::Ipv4 => partition.suffix,
    };
    format!("{service}.{region}.{suffix}")
}

#[cfg(test)]
mod tests;
