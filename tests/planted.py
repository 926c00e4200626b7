"""Secrets of every kind, as they stand in logs, settings, arguments, URLs and manifests: none may survive a face.

The makers' prefixes are put together here, so that no scanner of repositories takes this file for a leak.
"""

import base64
import random
import string
from dataclasses import dataclass

_LETTERS = random.Random(16)


def _random(alphabet: str, length: int) -> str:
    return "".join(_LETTERS.choice(alphabet) for _ in range(length))


_WORD = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"


@dataclass(frozen=True)
class Planted:
    """One kind: the text that holds the secret, and the parts of it that nobody may read."""

    kind: str
    text: str
    secrets: tuple[str, ...]


ANNOUNCED = {
    # Assignments, in every notation.
    "properties": "db.password={s}",
    "properties with blanks": "db.password = {s}",
    "passphrase of words": "store.passphrase: {s} battery staple",
    "yaml": "user: me\npassword: {s}\nport: 1",
    "yaml block": "password: |\n  {s}\nport: 1",
    "yaml next line": "password:\n  {s}\n",
    "pwd": "connecting with pwd={s}",
    "pass": "login failed, pass={s}",
    "pw": "user=me;pw={s};x=1",
    "upper case": "PASSWORD={s} rejected",
    "env": "DB_PASS={s}",
    "env key": "exported STRIPE_KEY={s} for the job",
    "env export": "export PGPASSWORD={s}",
    "dockerfile": "ENV DB_PWD {s}9x",
    "camel case": "dbPassword={s}, user=me",
    "camel case pwd": "{{userPwd: {s}}}",
    "api key": "apiKey={s}",
    "api-key": "api-key: {s}",
    "x-api-key": "X-Api-Key: {s}",
    "access key": "s3.access-key={s}",
    "secret key": "fs.s3a.secret.key={s}",
    "azure account key": "fs.azure.account.key.me.dfs.core.windows.net={s}",
    "connection string": "DefaultEndpointsProtocol=https;AccountName=me;AccountKey={s}==;EndpointSuffix=x",
    "service bus": "Endpoint=sb://me.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey={s}=",
    "shared access signature": "BlobEndpoint=https://me;SharedAccessSignature=sv=2020&sig={s}",
    "sas": "https://me.blob.core.windows.net/c/f?sv=2020-08-04&sp=r&sig={s}%3D",
    "aws presigned": "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4&X-Amz-Signature={s}&X-Amz-Date=1",
    "aws session": "https://b.s3.amazonaws.com/k?X-Amz-Security-Token={s}",
    "gcs presigned": "https://storage.googleapis.com/b/k?X-Goog-Signature={s}",
    "access_token": "https://host/path?access_token={s}&x=1",
    "client secret": "grant_type=client_credentials&client_id=a&client_secret={s}",
    "refresh token": "refresh_token={s}",
    "id token": '{{"id_token":"{s}"}}',
    "auth": "kafka.auth={s}",
    "http auth": "http.auth: {s}",
    "encryption key": "cookie-store encryption_key={s}",
    "signing key": "signingKey={s}",
    "hmac": "hmac_key={s}",
    "sentry": "sentry.dsn={s}",
    "cookie setting": "cookie={s}",
    "keystore": "-Djavax.net.ssl.keyStorePassword={s} -Xmx1g",
    "jvm option": "java -Dpwd={s} -jar x.jar",
    "jvm dotted": "-Ddb.credentials={s} -Xmx1g",
    "single quotes": "password='{s} and more'",
    "double quotes": 'password="{s} and more"',
    "backticks": "password=`{s}`",
    "unclosed quote": 'password="{s}',
    "json": '{{"user":"me","password":"{s}"}}',
    "json pretty": '{{\n  "password": "{s}",\n  "user": "me"\n}}',
    "json escaped": '{{\\"user\\":\\"me\\",\\"password\\":\\"{s}\\"}}',
    "json escaped twice": '{{\\\\\\"password\\\\\\": \\\\\\"{s}\\\\\\"}}',
    "json unicode": "password\\u003d{s}",
    "json unicode quotes": "\\u0022password\\u0022:\\u0022{s}\\u0022",
    "json in a list": '["password", "{s}"]',
    "json number-like": '{{"pin_token":"{s}"}}',
    "json of a quote": '{{"password":"{s}\\"more{s}"}}',
    "python": "{{'password': '{s}'}}",
    "python tuple": "('password', '{s}')",
    "ruby": ':password => "{s}"',
    "go": 'password := "{s}"',
    "java map": "{{password={s}, user=me}}",
    "java map of lists": "{{X-Auth-Token=[{s}], Accept=[*/*]}}",
    "to string": "Config(user=me, password={s})",
    "hocon": 'db {{ password : "{s}" }}',
    "hocon bare": "db {{ password = {s} }}",
    "hocon object": 'credentials {{ value = "{s}" }}',
    "hocon nested": "secret={{value={s}}}",
    "toml": 'password = "{s}"',
    "toml triple": 'password = """{s}"""',
    "ini": "[db]\npwd={s}\n",
    "ado": "Server=db;User Id=me;Password={s};Encrypt=true",
    "odbc": "Driver=x;UID=me;PWD={s}",
    "jdbc": "jdbc:postgresql://db/x?user=me&password={s}",
    "jdbc sqlserver": "jdbc:sqlserver://db;user=me;password={s};encrypt=true",
    "jdbc snowflake": "jdbc:snowflake://a.b/?private_key_pwd={s}",
    "jaas": 'org.x.PlainLoginModule required username="me" password="{s}";',
    "jaas scram": "ScramLoginModule required username=\"me\" password='{s}' ;",
    "xml": "<password>{s}</password>",
    "xml with attributes": '<password type="clear">{s}</password>',
    "xml of a namespace": "<db:password>{s}</db:password>",
    "xml named by an attribute": "<entry key='db.password'>{s}</entry>",
    "xml named, with more": '<entry key="db.password" type="text">{s}</entry>',
    "xml named, cdata": '<string name="api_token"><![CDATA[{s}]]></string>',
    "xml cdata": "<secret><![CDATA[{s}]]></secret>",
    "xml attribute": '<user name="me" password="{s}"/>',
    "xml multi-line": "<token>\n   {s}\n</token>",
    "hadoop xml": "<property><name>fs.s3a.secret.key</name><value>{s}</value></property>",
    "hadoop xml lines": "<property>\n<name>db.pwd</name>\n<value>{s}</value>\n</property>",
    "spring xml": '<property name="password" value="{s}"/>',
    "html entities": "password=&quot;{s}&quot;",
    "html numeric": "password&#61;{s}",
    "percent": "password%3D{s}%26user%3Dme",
    "percent quotes": "%22password%22%3A%22{s}%22",
    "kubernetes env": '{{"name":"DB_PASSWORD","value":"{s}"}}',
    "kubernetes env yaml": "- name: DB_PASS\n  value: {s}\n",
    "kubernetes env quoted": '- name: API_TOKEN\n  value: "{s}"\n',
    "value first": '{{"value":"{s}","name":"DB_PASSWORD"}}',
    "key and value": '{{"key":"my.secret","value":"{s}"}}',
    "flink's config log": "2026-01-01 INFO  GlobalConfiguration [] - Loading configuration property: db.pwd, {s}",
    "escaped newline": "line\\npassword={s}",
    "after tab": "x\tpassword\t=\t{s}",
    "php": "$db_pass = '{s}';",
    "c": 'const char *password = "{s}";',
    "german": "Passwort: {s}",
    "spanish": "contraseña={s}",
    "french": "mot_de_passe={s}",
    # Headers.
    "basic header": "Authorization: Basic {b}",
    "bearer header": "Authorization: Bearer {s}",
    "digest header": 'Authorization: Digest username="me", response="{s}"',
    "token header": "Authorization: token {s}",
    "custom header": "Authorization: ApiKey {s}",
    "proxy header": "Proxy-Authorization: Basic {b}",
    "sigv4": "Authorization: AWS4-HMAC-SHA256 Credential=AK/2026/x, SignedHeaders=host, Signature={s}",
    "header in json": '{{"Authorization":"Basic {b}"}}',
    "header in a map": "{{Authorization=Basic {b}, Accept=*/*}}",
    "header in curl": "curl -H 'Authorization: Bearer {s}' http://x/",
    "cookie header": "Cookie: session={s}; theme=dark",
    "set-cookie": "Set-Cookie: JSESSIONID={s}; Path=/",
    "cookie in curl": "curl -H 'Cookie: a={s}' http://x/",
    "auth token header": "X-Auth-Token: {s}",
    "vault header": "X-Vault-Token: {s}",
    "bearer alone": "rejected bearer {s}A1.x-y_z",
    # Flags and clients.
    "flag": "--password {s}",
    "flag with more": "run --db-password {s} --port 1",
    "flag quoted": "--password '{s} x'",
    "flag equals": "--password={s}",
    "flag single": "java Main -password {s}",
    "flag token": "--api-token {s}",
    "flag in a list": "['--password', '{s}']",
    "flag in json": '["--password","{s}"]',
    "flag in a java list": "[--password, {s}, --port, 1]",
    "flag in a log": "INFO  Entrypoint [] -     --password\nINFO  Entrypoint [] -     {s}\nINFO  x [] - y",
    "flag with dash": "--password -{s}9",
    "mysql": "mysql -u root -p{s} db",
    "mysql long": "mysqldump --user=root --password={s}",
    "sshpass": "sshpass -p {s} ssh me@host",
    "curl": "curl -u me:{s} http://x/",
    "curl long": "curl --user me:{s} http://x/",
    "redis": "redis-cli -h host -a {s} ping",
    "sqlcmd": "sqlcmd -S host -U sa -P {s}",
    "ldap": "ldapsearch -D cn=me -w {s}",
    "keytool": "keytool -list -storepass {s}",
    "keytool, source": "keytool -srcstorepass {s}",
    "keytool, key": "signer -keypass {s} app.jar",
    "russian": "пароль: {s}",
    "chinese": "密码={s}",
    "japanese": "パスワード: {s}",
    "openssl": "openssl rsa -passin pass:{s}",
    "docker": "docker login -u me -p {s} registry",
    "kubectl": "kubectl create secret generic x --from-literal=password={s}",
    "netrc": "machine host login me password {s}",
    "pgpass": "db.example.com:5432:app:me:{s}",
    "sql": "CREATE USER me IDENTIFIED BY '{s}'",
    "sql alter": "ALTER USER me WITH PASSWORD '{s}'",
    # Sentences.
    "password is": "the password is {s}",
    "password was": "password was '{s}'",
    "password": "wrong password {s}9 for user me",
    "with password": 'cannot login as me with password "{s}"',
    "changed from": "password changed from {s} to new{s}",
    "diff of a setting": "s3.secret-key : {s} -> new{s}",
    "diff in quotes": "db.password: '{s}' -> 'new{s}'; parallelism: 1 -> 2",
    # URLs.
    "url": "http://me:{s}@host/path",
    "url with slash": "http://me:{s}/x9@host/path",
    "url with at": "http://me:{s}@x9@host:80/path",
    "url with colon": "https://me:{s}:x9@host/",
    "url with question mark": "https://me:{s}?x9@host/",
    "url with hash": "https://me:{s}#x9@host/",
    "url encoded": "http://me:{s}%40x9@host/",
    "url in url": "http://proxy/?to=http%3A%2F%2Fme%3A{s}%40host",
    "url without user": "redis://:{s}@host:6379/0",
    "url token": "https://{s}@github.com/me/x.git",
    "amqp": "amqp://me:{s}@host:5672/%2f",
    "mongodb": "mongodb+srv://me:{s}@h1,h2/db",
    "s3": "s3://AK:{s}@bucket/key",
    "ftp": "ftp://anonymous:{s}@host/",
    "jdbc url": "jdbc:mysql://me:{s}@host/db",
    "url in json": '{{"url":"https:\\/\\/me:{s}@host\\/"}}',
    "urls in a list": "http://a:8081,http://me:{s}@b:8081",
    "oracle": "sqlplus scott/{s}@orcl",
    "oracle jdbc": "jdbc:oracle:thin:scott/{s}@//host:1521/x",
    "go dsn": "root:{s}@tcp(127.0.0.1:3306)/db",
    "mail": "smtp me:{s}@mail.example.com:25",
    # Web hooks.
    "slack hook": "https://hooks.slack.com/services/T0{s}/B0/{s}",
    "discord hook": "https://discord.com/api/webhooks/1/{s}",
    "teams hook": "https://me.webhook.office.com/webhookb2/{s}/IncomingWebhook/x",
    "telegram": "https://api.telegram.org/bot123:{s}/sendMessage",
    "pagerduty": "https://events.pagerduty.com/integration/{s}/enqueue",
    "zapier": "https://hooks.zapier.com/hooks/catch/1/{s}/",
    "google chat": "https://chat.googleapis.com/v1/spaces/x/messages?key=a&token={s}",
    "other hook": "https://ci.example.com/webhooks/{s}",
}
"""What a name, a flag or a place announces, whatever it is. `{s}` is the secret, `{b}` a login with it in base64."""

VALUES = ("hunter2", "correcthorse", "Tr0ub4dor+3", "s3cr3t_Value", "12345678", "ABCDEFGH", "pässwört", "x", "zz-top")

SHAPES = {
    "aws access key": "AKI" + "A" + _random(string.ascii_uppercase + string.digits, 16),
    "aws temporary key": "ASI" + "A" + _random(string.ascii_uppercase + string.digits, 16),
    "aws secret": _random(_WORD + "+/", 40),
    "azure key": _random(_WORD + "+/", 86) + "==",
    "google key": "AI" + "za" + _random(_WORD, 35),
    "google oauth": "ya" + "29." + _random(_WORD + "-_", 60),
    "google client": "GOC" + "SPX-" + _random(_WORD, 28),
    "github": "gh" + "p_" + _random(_WORD, 36),
    "github oauth": "gh" + "o_" + _random(_WORD, 36),
    "github server": "gh" + "s_" + _random(_WORD, 36),
    "github fine": "github" + "_pat_" + _random(_WORD, 22) + "_" + _random(_WORD, 59),
    "gitlab": "gl" + "pat-" + _random(_WORD, 20),
    "slack": "xo" + "xb-" + _random(string.digits, 12) + "-" + _random(_WORD, 24),
    "slack app": "xa" + "pp-1-" + _random(_WORD, 30),
    "stripe": "sk" + "_live_" + _random(_WORD, 24),
    "stripe restricted": "rk" + "_live_" + _random(_WORD, 24),
    "stripe hook": "wh" + "sec_" + _random(_WORD, 32),
    "openai": "s" + "k-proj-" + _random(_WORD, 48),
    "anthropic": "s" + "k-ant-api03-" + _random(_WORD, 48),
    "npm": "np" + "m_" + _random(_WORD, 36),
    "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + _random(_WORD, 60),
    "docker": "dck" + "r_pat_" + _random(_WORD, 27),
    "hugging face": "h" + "f_" + _random(_WORD, 34),
    "sendgrid": "S" + "G." + _random(_WORD, 22) + "." + _random(_WORD, 43),
    "twilio": "S" + "K" + _random(_HEX, 32),
    "mailgun": "ke" + "y-" + _random(_HEX, 32),
    "databricks": "da" + "pi" + _random(_HEX, 32),
    "vault": "hv" + "s." + _random(_WORD, 24),
    "shopify": "shp" + "at_" + _random(_HEX, 32),
    "digitalocean": "do" + "p_v1_" + _random(_HEX, 64),
    "atlassian": "ATA" + "TT3x" + _random(_WORD, 60),
    "new relic": "NR" + "AK-" + _random(string.ascii_uppercase + string.digits, 27),
    "grafana": "gl" + "sa_" + _random(_WORD, 32) + "_" + _random(_HEX, 8),
    "linear": "lin" + "_api_" + _random(_WORD, 40),
    "square": "sq0" + "atp-" + _random(_WORD, 22),
    "age": "AGE-SECRET-" + "KEY-1" + _random(string.ascii_uppercase + string.digits, 58),
    "alibaba": "LT" + "AI" + _random(_WORD, 20),
    "jwt": ".".join(("ey" + "J" + _random(_WORD, 20), "ey" + "J" + _random(_WORD, 40), _random(_WORD + "-_", 43))),
    "jwt cut": "ey" + "J" + _random(_WORD, 30),
    "bcrypt": "$2" + "b$12$" + _random(_WORD, 53),
    "sha512 crypt": "$6" + "$salt$" + _random(_WORD, 86),
    "apr1": "$ap" + "r1$" + _random(_WORD, 8) + "$" + _random(_WORD, 22),
    "random base64": base64.b64encode(_LETTERS.randbytes(48)).decode(),
}

PEM = {
    "pem": "-----BEGIN " + "PRIVATE KEY-----\n{s}\n{t}\n-----END " + "PRIVATE KEY-----",
    "pem rsa": "-----BEGIN " + "RSA PRIVATE KEY-----\n{s}\n{t}\n-----END " + "RSA PRIVATE KEY-----",
    "pem openssh": "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n{s}\n{t}\n-----END " + "OPENSSH PRIVATE KEY-----",
    "pem encrypted": "-----BEGIN " + "ENCRYPTED PRIVATE KEY-----\n{s}\n{t}",
    "pem in one line": "-----BEGIN " + "EC PRIVATE KEY-----\\n{s}\\n{t}\\n-----END " + "EC PRIVATE KEY-----\\n",
    "pgp": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----\n\n{s}\n{t}\n-----END " + "PGP PRIVATE KEY BLOCK-----",
}

SETTING_KEYS = (
    "s3.secret-key", "s3.access-key", "fs.azure.account.key.me.dfs.core.windows.net", "kafka.auth", "db.pwd",
    "db.pass", "env.MY_KEY", "env.DB_PASS", "containerized.master.env.STRIPE_KEY",
    "containerized.taskmanager.env.PGPASSWORD", "sentry.dsn", "http.cookie", "encryption.key", "signing.key",
    "metrics.reporter.dghttp.apikey", "metrics.reporter.influxdb.password", "sasl.jaas.config",
    "kafka.sasl.jaas.config", "security.ssl.internal.key-password", "security.ssl.rest.truststore-password",
    "my.token", "oauth.client.secret", "slack.webhook", "azure.sas", "azure.connectionString", "vault.secretId",
    "user.credentials", "basic-auth", "rest.client.http-headers", "private.key", "privateKey", "account.key",
    "hmac.key", "jwt.key", "license.key", "api_key", "apiKey", "schema.registry.basic.auth.user.info",
    "ldap.bindPw", "ftp.passwd", "ssh.passphrase", "session.id.token", "psk", "wifi.psk",
    "high-availability.zookeeper.client.auth-params", "fernet.key", "db.userpass", "aws.secretAccessKey",
    "aws.sessionToken",
)  # fmt: skip


def planted() -> list[Planted]:
    """Every kind once or more, each with parts that may not be seen."""
    kinds = []
    for number, (kind, template) in enumerate(ANNOUNCED.items()):
        secret = VALUES[number % 3]
        kinds.append(_announced(kind, template, secret))
    for kind, token in SHAPES.items():
        kinds.append(Planted(kind, f"rejected {token} of the client", (token, token[len(token) // 2 :])))
    for kind, template in PEM.items():
        lines = _random(_WORD + "+/", 64), _random(_WORD + "+/", 40)
        kinds.append(Planted(kind, template.format(s=lines[0], t=lines[1]), lines))
    return kinds


def _announced(kind: str, template: str, secret: str) -> Planted:
    encoded = base64.b64encode(f"me:{secret}".encode()).decode()
    hidden = (encoded, encoded.rstrip("=")) if "{b}" in template else (secret,)
    return Planted(kind, template.format(s=secret, b=encoded), hidden)


def every_value() -> list[Planted]:
    """Each announced kind with each value that it can hold without quotes."""
    return [
        _announced(f"{kind}, {value}", template, value)
        for kind, template in ANNOUNCED.items()
        for value in VALUES
        if len(value) > 2
    ]
