//! Each path. `{0}` is the path, `{1}` the variable that asks for it.

sayings! {
    WITHOUT_DATA Mount
        tried "{0}" came_back "{2} is KV v2"
        means "in KV v2 a secret is read below data/, which the command line vault kv adds by itself"
        remedy "in {1}, write {2}data/{3}";
    WITH_DATA Mount
        tried "{0}" came_back "{2} is KV v1"
        means "in KV v1 there is no data/ in the path of a secret"
        remedy "in {1}, write {2}{3}";
    NO_ENGINE Mount
        tried "GET {0}, for {1}" came_back "status 404 {2}"
        means "no secrets engine is mounted there"
        remedy "vault secrets list; correct the path, or VAULT_NAMESPACE";
    POLICY_WITHOUT_DATA Policy
        tried "POST sys/capabilities-self for {0}" came_back "{2}"
        means "the role has a policy for this secret, but without the data/ that paths of KV v2 have"
        remedy "in a policy of the role: path \"{0}\" { capabilities = [\"read\"] }";
    NO_POLICY Policy
        tried "POST sys/capabilities-self for {0}" came_back "{2}"
        means "no policy of the role allows to read this path"
        remedy "in a policy of the role: path \"{0}\" { capabilities = [\"read\"] }";
    NO_POLICY_NOR_ENGINE Policy
        tried "POST sys/capabilities-self for {0}" came_back "{2}"
        means "no policy of the role names anything in a secrets engine there; Vault does not say whether there is one"
        remedy "in a policy of the role: path \"{0}\" { capabilities = [\"read\"] }; and vault secrets list, to see whether the mount is there";
    DELETED Secret
        tried "GET {0}, for {1}" came_back "status {2}, and no data"
        means "this version of the secret has been deleted or destroyed"
        remedy "vault kv undelete -versions=<version> <secret>, or write a new one";
    NO_SECRET Secret
        tried "GET {0}, for {1}" came_back "status {2}"
        means "nothing has been written there, or this version of it is not there"
        remedy "vault kv put <secret> NAME=VALUE; or correct the path, whose letters are told apart by case";
    NO_FIELD Field
        tried "{2} of {0}, for {1}" came_back "the secret has the fields {3}"
        means "the secret is there, but not this field of it"
        remedy "in {1}, name one that it has; or: vault kv patch <secret> {2}=...";
}
