//! What only who looks from outside can see: the function's configuration, the profile, and an administrator's view.

sayings! {
    NO_PROFILE Credentials
        tried "the credentials of the profile" came_back "{0}"
        means "there is nothing to sign the login with on this machine"
        remedy "aws sso login, or name a profile by --profile; check by: aws sts get-caller-identity";
    NOT_ASSUMABLE Credentials
        tried "sts:AssumeRole of {1}" came_back "{0}"
        means "its trust policy does not permit who asks, or there are no credentials to ask with"
        remedy "let the role's trust policy name the profile's principal, or leave --assume-role out";
    HIDDEN_VARIABLES Variables
        tried "GetFunctionConfiguration" came_back "{0}"
        means "Lambda does not show the function's variables, as it may not decrypt them for who asks"
        remedy "allow kms:Decrypt on the function's key to the profile, or give the variables by --env-file";
    EXPIRES_SOON Tls
        tried "the certificate that {0} shows" came_back "{1}"
        means "it expires within two weeks, and no environment starts after that"
        remedy "renew it there";
    UNREADABLE_LAYER Layer
        tried "{0}" came_back "{1}"
        means "its files cannot be looked at"
        remedy "name a directory or zip that can be read; for layers of the function, allow lambda:GetLayerVersion";
    WRONG_TYPE RoleBinding
        tried "GET auth/<mount>/role/<role>, as an administrator" came_back "auth_type={0}"
        means "the Vault role is not one for IAM logins"
        remedy "vault delete auth/<mount>/role/<role>; vault write auth/<mount>/role/<role> auth_type=iam bound_iam_principal_arn={1}";
    NOT_BOUND RoleBinding
        tried "GET auth/<mount>/role/<role>, as an administrator" came_back "it is bound to {0}, and the function's role is {1}"
        means "Vault refuses the function's login: does not belong to the role"
        remedy "vault write auth/<mount>/role/<role> bound_iam_principal_arn={1}";
    SESSION_BOUND RoleBinding
        tried "GET auth/<mount>/role/<role>, as an administrator" came_back "it is bound to {0}, and the function's role is {1}"
        means "an assumed-role ARN binds nobody: it is the role that must be bound"
        remedy "vault write auth/<mount>/role/<role> bound_iam_principal_arn={1}";
    WILDCARD_BOUND RoleBinding
        tried "GET auth/<mount>/role/<role>, as an administrator" came_back "it is bound to {0}"
        means "whoever may make an IAM role of such a name may log in; and servers without the fix of GHSA-jp7h-4f3c-9rc7 take a role of the same name in another account for it"
        remedy "vault write auth/<mount>/role/<role> bound_iam_principal_arn={1}";
    SERVER_ID_UNSET Login
        tried "GET auth/<mount>/config/client, as an administrator" came_back "it has an iam_server_id_header_value, and VAULT_IAM_SERVER_ID is unset"
        means "Vault refuses each login"
        remedy "set VAULT_IAM_SERVER_ID to that value";
    OTHER_SERVER_ID Login
        tried "GET auth/<mount>/config/client, as an administrator" came_back "its iam_server_id_header_value is another than VAULT_IAM_SERVER_ID"
        means "Vault refuses each login"
        remedy "set VAULT_IAM_SERVER_ID to that value";
    NO_PAIR Region
        tried "GET auth/<mount>/config/client, as an administrator" came_back "sts_endpoint={0} and sts_region={1}"
        means "Vault asks STS in one region, and checks nothing of the other: the two must be a pair"
        remedy "vault write auth/<mount>/config/client sts_region={2}";
    OTHER_REGION Region
        tried "GET auth/<mount>/config/client, as an administrator" came_back "sts_region={0}, and VAULT_STS_ENDPOINT_REGION is {1}"
        means "the login is signed for another region than that of the STS that Vault asks"
        remedy "set VAULT_STS_ENDPOINT_REGION={0}";
}
