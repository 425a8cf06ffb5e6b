//! A real API server with a real etcd, on ports of loopback that were free, with keys and tokens that
//! are made for one run. Both end with the test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// Half a second, so often: how long a slow machine may take to start.
const ATTEMPTS: u32 = 240;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// May do everything.
    Admin,
    /// May do what the test binds it to.
    Collector,
    /// May do what `linkerd-collect rbac` prints.
    Granted,
}

/// The API server.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) certificate: String,
    tokens: [String; 3],
    children: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // One that has ended already is as good.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The path of a `kube-apiserver`, built if need be; an error says why there is none.
fn program() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/cluster/build");
    let built = Command::new(script).output().map_err(|e| e.to_string())?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        return Err(said.lines().last().unwrap_or_default().to_owned());
    }
    let path = String::from_utf8_lossy(&built.stdout).into_owned();
    Ok(PathBuf::from(path.trim()))
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn token() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(32)
        .collect()
}

impl Cluster {
    /// Starts one; an error says what is missing for it.
    pub(crate) fn start() -> Result<Self, String> {
        if Command::new("etcd").arg("--version").output().is_err() {
            return Err("`etcd` is not on the PATH".to_owned());
        }
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let identity = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let mut cluster = Self {
            port: free_port(),
            certificate: identity.cert.pem(),
            tokens: [token(), token(), token()],
            children: Vec::new(),
            folder,
        };
        let write = |name: &str, text: &str| {
            std::fs::write(cluster.folder.path().join(name), text).unwrap();
        };
        write("server.pem", &cluster.certificate);
        write("server.key", &identity.signing_key.serialize_pem());
        let [admin, collector, granted] = &cluster.tokens;
        let users = format!(
            "{admin},admin,1,\"system:masters\"\n{collector},collector,2\n{granted},granted,3\n"
        );
        write("tokens.csv", &users);
        let etcd = cluster.start_etcd();
        cluster.start_api_server(&program, &etcd);
        Ok(cluster)
    }

    fn start_etcd(&mut self) -> String {
        let (client, peer) = (free_port(), free_port());
        let client = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut etcd = Command::new("etcd");
        etcd.arg("--data-dir").arg(self.folder.path().join("etcd"));
        etcd.args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ]);
        etcd.args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ]);
        etcd.args(["--initial-cluster", &format!("default={peer}")]);
        self.run(etcd, "etcd");
        client
    }

    fn start_api_server(&mut self, program: &Path, etcd: &str) {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut server = Command::new(program);
        server.args([
            format!("--etcd-servers={etcd}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", self.folder.path().display()),
            format!("--tls-cert-file={}", file("server.pem")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--service-account-key-file={}", file("server.pem")),
            format!("--service-account-signing-key-file={}", file("server.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            // There is no controller that would make the accounts that it asks for.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ]);
        self.run(server, "kube-apiserver");
    }

    fn run(&mut self, mut command: Command, name: &str) {
        let log = std::fs::File::create(self.log(name)).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children.push(child);
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Waits until the server is ready, its own roles included.
    pub(crate) async fn wait(&mut self) {
        let client = self.client(User::Admin).await;
        for _ in 0..ATTEMPTS {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(request).await.is_ok() {
                return;
            }
            if self
                .children
                .iter_mut()
                .any(|c| c.try_wait().unwrap().is_some())
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let said = std::fs::read_to_string(self.log("kube-apiserver")).unwrap();
        panic!("the API server did not start:\n{said}");
    }

    /// A kubeconfig of a user.
    pub(crate) fn kubeconfig(&self, user: User) -> Value {
        use base64::Engine as _;
        let [admin, collector, granted] = &self.tokens;
        let token = match user {
            User::Admin => admin,
            User::Collector => collector,
            User::Granted => granted,
        };
        let authority = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let server = format!("https://127.0.0.1:{}", self.port);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [{
                "name": "real",
                "cluster": {"server": server, "certificate-authority-data": authority},
            }],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": token}}],
        })
    }

    pub(crate) async fn client(&self, user: User) -> Client {
        let config = Kubeconfig::from_yaml(&self.kubeconfig(user).to_string()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(config, &options).await;
        Client::try_from(config.unwrap()).unwrap()
    }
}
