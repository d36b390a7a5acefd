//! The way to Vault, and how Vault is. Where a request failed, `{0}` is what was tried, `{1}` the error, `{2}` the host
//! of Vault and `{3}` its port, `{4}` the error's own hint or another host.

sayings! {
    NO_ADDRESS Dns
        tried "{0}" came_back "{1}"
        means "this name has no address where it was asked for: it is mistyped, or it is known only to another name server, as that of a VPC"
        remedy "dig +short {4}; correct the host in VLE_VAULT_ADDR or VAULT_ADDR";
    NAME_SERVER_SILENT Dns
        tried "{0}" came_back "{1}"
        means "the name server does not answer"
        remedy "dig {4}; check the VPC's resolver and whether port 53 is open to it";
    PROXY_UNREACHED ForwardProxy
        tried "{0}" came_back "{1}"
        means "it is a forward proxy that is not reached, by which requests to Vault are to go"
        remedy "see whether {4} listens; correct VAULT_PROXY_ADDR, VAULT_HTTP_PROXY or HTTPS_PROXY, or add {2} to NO_PROXY";
    PROXY_REFUSES ForwardProxy
        tried "{0}" came_back "{1}"
        means "the forward proxy does not let requests through to Vault"
        remedy "add {2} to NO_PROXY, or allow CONNECT {2}:{3} there";
    REFUSED_HERE Tcp
        tried "{0}" came_back "{1}"
        means "nothing listens there; and 127.0.0.1 is the function's own environment, in which no Vault runs"
        remedy "set VLE_VAULT_ADDR=https://<the host of Vault>:8200";
    REFUSED Tcp
        tried "{0}" came_back "{1}"
        means "the host answers, but nothing listens on that port"
        remedy "nc -vz {2} {3}; correct the port in VLE_VAULT_ADDR or VAULT_ADDR, which is 8200 for most";
    NO_WAY Tcp
        tried "{0}" came_back "{1}"
        means "no way leads there"
        remedy "nc -vz {2} {3}; a function in a VPC reaches the internet only by a NAT gateway";
    SILENT Tcp
        tried "{0}" came_back "{1}"
        means "nothing answers at all, not even a refusal: most often a security group, a network ACL or a subnet without a route to Vault"
        remedy "let the function's security group out to port {3}, and that of Vault in from it; a function in a VPC reaches the internet only by a NAT gateway";
    HANDSHAKE_ENDED Tls
        tried "{0}" came_back "{1}"
        means "the connection ended in the TLS handshake: a load balancer or firewall before Vault takes none, or the port is not Vault's"
        remedy "openssl s_client -connect {2}:{3} -servername {2}";
    HANDSHAKE_SILENT Tls
        tried "{0}" came_back "{1}"
        means "the connection stands, but no TLS handshake comes about"
        remedy "openssl s_client -connect {2}:{3} -servername {2}";
    NOT_TRUSTED Tls
        tried "{0}" came_back "{1}"
        means "whoever answers there is not shown to be Vault"
        remedy "{4}";
    NO_CERTIFICATES Tls
        tried "to read the certificates that the variables name" came_back "{1}"
        means "no TLS connection can be opened; seen from a laptop, files of the function are not on this machine"
        remedy "correct the variable that is named, or the file that it names";
    NO_ANSWER Health
        tried "{0}" came_back "{1}"
        means "the connection stands, but Vault does not answer in time"
        remedy "look at Vault's load and log; for a login Vault asks AWS STS in its course, and waits for it";
    LED_ELSEWHERE Health
        tried "{0}" came_back "{1}"
        means "something before Vault leads elsewhere"
        remedy "set VLE_VAULT_ADDR or VAULT_ADDR to where it leads";
    NO_VAULT_ANSWERS Health
        tried "{0}" came_back "{1}"
        means "what answers at this address is no Vault, or something before it interferes"
        remedy "check host, port and path in VLE_VAULT_ADDR or VAULT_ADDR";
    CANNOT_BE_ASKED Health
        tried "{0}" came_back "{1}"
        means "it cannot be asked"
        remedy "{4}";
    WANTS_TLS Health
        tried "GET {0}/v1/sys/health" came_back "status {1}"
        means "the server speaks TLS on this port, and the address begins with http://"
        remedy "set VLE_VAULT_ADDR={2}";
    REDIRECTS Health
        tried "GET {0}/v1/sys/health" came_back "status {1}, a redirect to {2}"
        means "something before Vault leads elsewhere, and logins do not follow it"
        remedy "set VLE_VAULT_ADDR={2}";
    NO_VAULT Health
        tried "GET {0}/v1/sys/health" came_back "status {1}, and no answer of Vault's"
        means "what answers at this address is no Vault: a load balancer, another server, or Vault below another path"
        remedy "check host, port and path in VLE_VAULT_ADDR or VAULT_ADDR";
    OF_RECOVERY Health
        tried "GET {0}/v1/sys/health" came_back "status 472: a secondary for disaster recovery"
        means "it takes no logins while its primary lives"
        remedy "set VLE_VAULT_ADDR to the address of the primary cluster";
    UNINITIALIZED Health
        tried "GET {0}/v1/sys/health" came_back "status 501: not initialized"
        means "Vault has no keys yet"
        remedy "vault operator init";
    SEALED Health
        tried "GET {0}/v1/sys/health" came_back "status 503: sealed"
        means "Vault does not have its keys, and answers nothing until it has"
        remedy "vault operator unseal; it seals itself at each start, unless auto-unseal is set up";
    NOT_READY Health
        tried "GET {0}/v1/sys/health" came_back "status {1} of Vault {2}"
        means "Vault is not ready: it may be in failover"
        remedy "vault status; and try again";
    CLOCK_IS_OFF Clock
        tried "the Date of the answer against the clock here" came_back "the clock here is {0} s {1} that of {2}"
        means "AWS takes a signature for 15 minutes around its own time, and refuses it after that with Signature expired or Signature not yet current; certificates are judged by this clock, too"
        remedy "set the clock by NTP, as by: timedatectl set-ntp true; in a container, that of its host";
}
