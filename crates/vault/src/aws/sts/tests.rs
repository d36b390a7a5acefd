//! The endpoints that each combination of settings leads to.

use super::*;

/// The candidates as `region url`, the second after a bar.
fn decided(settings: &Settings) -> String {
    let text = |endpoint: &Endpoint| format!("{} {}", endpoint.region, endpoint.url);
    match Candidates::decide(settings) {
        Ok(Candidates { first, second: None }) => text(&first),
        Ok(Candidates { first, second: Some(second) }) => {
            format!("{} | {}", text(&first), text(&second))
        }
        Err(error) => error.to_string(),
    }
}

fn lambda(region: &str) -> Settings {
    Settings { lambda_region: Some(region.to_owned()), ..Settings::default() }
}

#[test]
fn global_first_where_nothing_is_said() {
    let check = |settings: Settings, expected: &str| assert_eq!(decided(&settings), expected);
    let global = "us-east-1 https://sts.amazonaws.com/";
    check(Settings::default(), global);
    check(lambda("us-east-1"), global);
    check(
        lambda("eu-west-1"),
        &format!("{global} | eu-west-1 https://sts.eu-west-1.amazonaws.com/"),
    );
    check(
        lambda("mars-north-1"),
        &format!("{global} | mars-north-1 https://sts.mars-north-1.amazonaws.com/"),
    );
}

#[test]
fn regional_first_where_asked_for() {
    let check = |region: &str, expected: &str| {
        let settings = Settings { preference: Preference::Regional, ..lambda(region) };
        assert_eq!(decided(&settings), expected);
    };
    check(
        "eu-west-1",
        "eu-west-1 https://sts.eu-west-1.amazonaws.com/ | us-east-1 https://sts.amazonaws.com/",
    );
    check("us-east-1", "us-east-1 https://sts.us-east-1.amazonaws.com/");
}

#[test]
fn a_named_region_is_the_only_one() {
    let check = |region: &str, expected: &str| {
        let settings =
            Settings { sts_endpoint_region: Some(region.to_owned()), ..lambda("ap-northeast-2") };
        assert_eq!(decided(&settings), expected);
    };
    check("eu-west-1", "eu-west-1 https://sts.eu-west-1.amazonaws.com/");
    check("us-east-1", "us-east-1 https://sts.us-east-1.amazonaws.com/");
    check("mars-north-1", "mars-north-1 https://sts.mars-north-1.amazonaws.com/");
    check("cn-north-1", "cn-north-1 https://sts.cn-north-1.amazonaws.com.cn/");
    let bad = "VAULT_STS_ENDPOINT_REGION is no AWS region; hint: a region looks like eu-west-1";
    for region in ["eu west 1", "eu.west", "a/b", "-a", "a@b", ""] {
        check(region, bad);
    }
}

#[test]
fn other_partitions_have_no_global_endpoint() {
    let check = |region: &str, host: &str| {
        assert_eq!(decided(&lambda(region)), format!("{region} https://{host}/"));
    };
    check("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com");
    check("cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn");
    check("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov");
    check("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov");
    check("eu-isoe-west-1", "sts.eu-isoe-west-1.cloud.adc-e.uk");
    check("us-isof-south-1", "sts.us-isof-south-1.csp.hci.ic.gov");
    check("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu");
}

#[test]
fn fips_and_dual_stack_have_no_global_endpoint() {
    let check = |region: &str, fips, dual_stack, expected: &str| {
        assert_eq!(decided(&Settings { fips, dual_stack, ..lambda(region) }), expected);
    };
    use {Addressing::*, Cryptography::*};
    check("us-east-1", Fips, Ipv4, "us-east-1 https://sts-fips.us-east-1.amazonaws.com/");
    check(
        "us-west-2",
        Fips,
        Ipv4,
        "us-west-2 https://sts-fips.us-west-2.amazonaws.com/ | \
         us-east-1 https://sts-fips.us-east-1.amazonaws.com/",
    );
    check("us-east-1", Fips, DualStack, "us-east-1 https://sts-fips.us-east-1.api.aws/");
    check("us-east-1", Usual, DualStack, "us-east-1 https://sts.us-east-1.api.aws/");
    check("us-gov-west-1", Fips, Ipv4, "us-gov-west-1 https://sts.us-gov-west-1.amazonaws.com/");
    check(
        "cn-north-1",
        Usual,
        DualStack,
        "cn-north-1 https://sts.cn-north-1.api.amazonwebservices.com.cn/",
    );
}

#[test]
fn an_endpoint_url_is_signed_as_it_is() {
    let check = |url: &str, expected: &str| {
        let settings = Settings { endpoint_url: Some(url.to_owned()), ..lambda("ap-northeast-2") };
        assert_eq!(decided(&settings), expected, "{url}");
    };
    check("http://127.0.0.1:9300", "ap-northeast-2 http://127.0.0.1:9300/");
    check("https://sts.internal/base", "ap-northeast-2 https://sts.internal/base");
    let bad = Error::EndpointUrl.to_string();
    for url in ["127.0.0.1:9300", "ftp://host", "https://u:p@host/", "https://host/?a=b", "x y", ""]
    {
        check(url, &bad);
    }
}

#[test]
fn host_has_a_port_only_if_it_is_an_unusual_one() {
    let check = |url: &str, expected: &str| {
        let settings = Settings { endpoint_url: Some(url.to_owned()), ..Settings::default() };
        assert_eq!(assume_role_endpoint(&settings).unwrap().host(), expected);
    };
    check("http://127.0.0.1:9300", "127.0.0.1:9300");
    check("http://sts.test:80", "sts.test");
    check("https://sts.test:443/", "sts.test");
    check("http://sts.test:443/", "sts.test:443");
    check("https://sts.test", "sts.test");
}

#[test]
fn roles_are_assumed_where_the_function_runs() {
    let check = |settings: Settings, expected: &str| {
        assert_eq!(assume_role_endpoint(&settings).unwrap().url(), expected);
    };
    check(Settings::default(), "https://sts.us-east-1.amazonaws.com/");
    check(lambda("eu-west-1"), "https://sts.eu-west-1.amazonaws.com/");
    let named =
        Settings { sts_endpoint_region: Some("eu-north-1".to_owned()), ..lambda("eu-west-1") };
    check(named, "https://sts.eu-north-1.amazonaws.com/");
}

#[test]
fn the_region_of_an_endpoint_is_read_back() {
    for region in ["eu-west-1", "cn-north-1", "us-gov-east-1", "eusc-de-east-1"] {
        assert_eq!(region_of_url(&regional_url(region)), Some(region));
    }
    let check = |url: &str, expect: Option<&str>| assert_eq!(region_of_url(url), expect, "{url}");
    check("https://sts-fips.us-east-2.amazonaws.com/", Some("us-east-2"));
    check("https://sts.eu-west-1.api.aws:443", Some("eu-west-1"));
    check("https://sts.amazonaws.com", None);
    check("https://sts.eu-west-1.amazonaws.com.cn", None);
    check("https://sts.example.com", None);
    check("http://127.0.0.1:5000", None);
    check("", None);
}
