//! Secrets that are told by where they stand: connection strings, names, command lines.

/// See [`super::plant`].
pub(crate) const KINDS: &[(&str, &str)] = &[
    (
        "postgres url",
        "postgres://shop:<<{w16}>>@db.shop:5432/orders",
    ),
    ("redis url", "redis://:<<{w20}>>@redis:6379/0"),
    (
        "mongodb url",
        "mongodb+srv://app:<<{w16}>>@cluster0.example.net/db",
    ),
    ("amqp url", "amqp://guest:<<{w16}>>@rabbit:5672/"),
    ("url with odd password", "mysql://root:<<p@{w8}#{w4}>>@db/x"),
    ("http url", "https://bob:<<{w12}>>@registry.example.com/v2/"),
    ("git url with token", "https://{w40}@git.example.com/x.git"),
    (
        "jdbc query",
        "jdbc:mysql://db/x?user=root&password=<<{w16}>>",
    ),
    (
        "jdbc sqlserver",
        "jdbc:sqlserver://db:1433;user=sa;password=<<{w16}>>;encrypt=true",
    ),
    (
        "jdbc oracle",
        "jdbc:oracle:thin:scott/<<{w12}>>@//db:1521/x",
    ),
    (
        "ado string",
        "Server=db;User Id=sa;Password=<<{w12}!x>>;Encrypt=true",
    ),
    ("go mysql dsn", "root:<<{w14}>>@tcp(db:3306)/shop"),
    (
        "libpq string",
        "host=db user=shop password=<<{w14}>> dbname=x",
    ),
    (
        "docker config",
        "{\"auths\":{\"r.example.com\":{\"auth\":\"dXNlcjpw{b28}\"}}}",
    ),
    (
        "kubeconfig key",
        "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ{b60}",
    ),
    ("kubeconfig token", "    token: {u40}"),
    ("kubeconfig password", "    password: {w12}"),
    ("helm release", "release: H4sIAAAAAAAC{b120}"),
    (
        "json password",
        "{\"user\":\"bob\",\"password\":\"<<{w12} {w4}>>\"}",
    ),
    (
        "json in json",
        "{\"body\":\"{\\\"password\\\":\\\"<<{w12}>>\\\"}\"}",
    ),
    ("python dict", "{'secret_key': '<<{w20}>>'}"),
    ("go struct", "{User:bob Password:<<{w12}>> Port:5432}"),
    (
        "rust struct",
        "Config { user: \"bob\", password: Some(\"<<{w12}>>\") }",
    ),
    ("ruby hash", ":password=>\"<<{w12}>>\""),
    ("xml", "<password><<{w12}>></password>"),
    ("env dump", "DB_PASSWORD=<<{w12}>>"),
    (
        "env pair in json",
        "{\"name\":\"DB_PASSWORD\",\"value\":\"<<{w12}>>\"}",
    ),
    (
        "env pair in go",
        "EnvVar{Name:API_TOKEN,Value:<<{w16}>>,ValueFrom:nil,}",
    ),
    ("flag", "serve --db-password <<{w12}>> --port 80"),
    ("flag with equals", "serve --token=<<{w20}>>"),
    ("mysql flag", "mysql -uroot -p<<{w12}>> -h db"),
    ("curl user", "curl -s -u bob:<<{w12}>> https://api"),
    ("query token", "GET /v1/x?token=<<{w24}>>&page=2"),
    (
        "query access token",
        "GET /v1/x?access_token=<<{u40}>>&page=2",
    ),
    ("query api key", "GET /v1/x?api_key=<<{w24}>>"),
    (
        "client secret",
        "grant_type=client_credentials&client_secret=<<{w24}>>&scope=x",
    ),
    ("yaml secret", "clientSecret: <<{w24}>>"),
    ("jwk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"{u43}\"}"),
    ("bcrypt", "$2y$10${w53}"),
    (
        "netrc",
        "machine api.example.com login bob password <<{w12}>>",
    ),
    ("sql", "CREATE USER shop IDENTIFIED BY '<<{w12}>>'"),
    ("npmrc", "//registry.npmjs.org/:_authToken=<<{w36}>>"),
    ("xml attribute", "<add key=\"ApiKey\" value=\"<<{w24}>>\"/>"),
    ("env pair with a blank", "{Name:SECRET_KEY Value:<<{w24}>>}"),
    ("escaped equals sign", "password\\u003d<<{w24}>>"),
    ("arrow", "password -> <<{w24}>>"),
    ("vault login", "vault login <<{w24}>>"),
];
