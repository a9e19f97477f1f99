//! A TCP proxy in front of PostgreSQL that behaves like a bad network.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::JoinSet,
};

/// The most that is carried at once.
const PIECE: usize = 16 * 1024;

/// How the version of a connection begins. A request to cancel or to encrypt begins otherwise, and has no parameters.
const PROTOCOL_3: [u8; 2] = [0, 3];

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It works.
    None,
    /// Connections stay open, new ones are accepted, and everything that is sent disappears. A connection that has lost
    /// something so stays half open for its client after healing; the server's end is closed then, as keepalive would.
    BlackHole,
    /// Every piece arrives so much later.
    Delay(Duration),
    /// Every connection is reset, and every new one too.
    Reset,
    /// Of what the server answers, each connection gets so many bytes more, and is reset.
    CutAfter(usize),
    /// A failover that leads to a standby: open connections are reset, and new ones can write nothing (25006). They stay so
    /// when the network works again, as connections do to a node that is not the primary.
    ReadOnly,
}

/// A proxy on a port of its own, for as long as the value lives.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    fault: watch::Sender<Fault>,
    swallowed: Arc<AtomicUsize>,
    open: Open,
    _accepting: JoinSet<()>,
}

/// The connections that are open.
type Open = Arc<Mutex<Vec<Line>>>;

/// One connection, as it is stalled.
#[derive(Debug)]
struct Line {
    /// Its `application_name`.
    name: String,
    stalled: watch::Sender<bool>,
}

impl Line {
    fn is_open(&self) -> bool {
        self.stalled.receiver_count() > 0
    }
}

impl Proxy {
    /// Starts one in front of the server of this URL.
    ///
    /// # Panics
    /// When the URL is none, or there is no free port.
    pub async fn start(server: &str) -> Self {
        let upstream: PgConnectOptions = server.parse().expect("a PostgreSQL URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (fault, _) = watch::channel(Fault::None);
        let swallowed = Arc::new(AtomicUsize::new(0));
        let open = Open::default();
        let mut accepting = JoinSet::new();
        let wire = Wire {
            fault: fault.subscribe(),
            stalled: watch::channel(false).1,
            swallowed: Arc::clone(&swallowed),
            open: Arc::clone(&open),
        };
        accepting.spawn(accept(listener, upstream, wire));
        Self { url: through(server, address), fault, swallowed, open, _accepting: accepting }
    }

    /// The server's URL through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes the network, for open connections as for new ones.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Stops one open connection of that `application_name`: nothing passes, either way, and nothing is lost. All others go on,
    /// new ones of the same name among them. Whether there was one.
    #[must_use]
    pub fn stall(&self, name: &str) -> bool {
        let mut open = lock(&self.open);
        open.retain(Line::is_open);
        let line = open.iter().find(|line| line.name == name && !*line.stalled.borrow());
        line.inspect(|line| _ = line.stalled.send_replace(true)).is_some()
    }

    /// Lets stalled connections go on.
    pub fn unstall(&self) {
        for line in lock(&self.open).iter() {
            line.stalled.send_replace(false);
        }
    }

    /// How many pieces have disappeared so far.
    #[must_use]
    pub fn swallowed(&self) -> usize {
        self.swallowed.load(Relaxed)
    }
}

/// The URL with the proxy's address in place of the server's, be that a port or a socket's folder.
fn through(server: &str, address: SocketAddr) -> String {
    let mut url = url::Url::parse(server).expect("a URL");
    url.set_host(Some(&address.ip().to_string())).expect("an address is a host");
    url.set_port(Some(address.port())).expect("this URL has ports");
    // What else stood there says how to reach the server itself.
    url.set_query(Some("sslmode=disable"));
    url.into()
}

fn lock(open: &Open) -> std::sync::MutexGuard<'_, Vec<Line>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, upstream: PgConnectOptions, wire: Wire) {
    let mut connections = JoinSet::new();
    // An accept that fails has met the end of the machine's resources, and the test with it.
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, upstream.clone(), wire.clone()));
        while connections.try_join_next().is_some() {}
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(server: &PgConnectOptions) -> std::io::Result<Box<dyn Stream>> {
    let port = server.get_port();
    match server.get_socket() {
        Some(folder) => Ok(Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?)),
        None => Ok(Box::new(TcpStream::connect((server.get_host(), port)).await?)),
    }
}

/// One connection, from its first byte to its end.
async fn serve(mut client: TcpStream, upstream: PgConnectOptions, mut wire: Wire) {
    let fault = *wire.fault.borrow_and_update();
    let end = match fault {
        Fault::Reset => End::Reset,
        Fault::BlackHole => wire.half_open(&mut client, None).await,
        _ => match connect(&upstream).await {
            Ok(mut server) => match wire.begin_and_relay(&mut client, &mut server, fault).await {
                End::Lost => wire.half_open(&mut client, Some(server)).await,
                end => end,
            },
            // A server that is down refuses its connections.
            Err(_) => End::Reset,
        },
    };
    if matches!(end, End::Reset) {
        // Closing it then sends RST, whatever was not read yet. A socket that refuses this is closed already.
        let _ = client.set_zero_linger();
    }
}

/// The network, as one connection meets it.
#[derive(Clone)]
struct Wire {
    fault: watch::Receiver<Fault>,
    /// Whether it is this connection that nothing passes.
    stalled: watch::Receiver<bool>,
    swallowed: Arc<AtomicUsize>,
    open: Open,
}

/// What a client says first.
struct Startup(Vec<u8>);

impl Startup {
    /// Its length, a version, and parameters that end with an empty one.
    async fn read(client: &mut TcpStream) -> std::io::Result<Self> {
        let length = usize::try_from(client.read_u32().await?).unwrap_or(usize::MAX);
        if !(8..PIECE).contains(&length) {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut rest = vec![0; length - 4];
        client.read_exact(&mut rest).await?;
        Ok(Self(rest))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut texts = self.0.get(4..)?.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        while let (Some(found), Some(value)) = (texts.next(), texts.next()) {
            if found == name {
                return Some(value.into_owned());
            }
        }
        None
    }

    fn add(&mut self, name: &str, value: &str) {
        if !self.0.starts_with(&PROTOCOL_3) {
            return;
        }
        self.0.pop();
        for text in [name, value, ""] {
            self.0.extend(text.as_bytes());
            self.0.push(0);
        }
    }

    async fn write(&self, server: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        let length = u32::try_from(self.0.len() + 4).expect("it was short enough to be read");
        server.write_all(&[&length.to_be_bytes(), self.0.as_slice()].concat()).await
    }
}

/// How a connection ended.
enum End {
    Closed,
    Reset,
    /// A piece of it is lost, so the rest means nothing.
    Lost,
}

impl Wire {
    fn now(&self) -> Fault {
        *self.fault.borrow()
    }

    /// Notes who connects, and carries what follows.
    async fn begin_and_relay(&mut self, client: &mut TcpStream, server: &mut Box<dyn Stream>, fault: Fault) -> End {
        let Ok(mut startup) = Startup::read(client).await else { return End::Closed };
        if fault == Fault::ReadOnly {
            startup.add("options", "-c default_transaction_read_only=on");
        }
        let (stalled, receiver) = watch::channel(false);
        self.stalled = receiver;
        let name = startup.parameter("application_name").unwrap_or_default();
        let line = Line { name, stalled };
        {
            let mut open = lock(&self.open);
            open.retain(Line::is_open);
            open.push(line);
        }
        if let Fault::Delay(time) = fault {
            tokio::time::sleep(time).await;
        }
        if startup.write(server).await.is_err() {
            return End::Closed;
        }
        self.relay(client, server).await
    }

    /// Carries pieces both ways until an end closes, or the network fails.
    async fn relay(&mut self, client: &mut TcpStream, server: &mut Box<dyn Stream>) -> End {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let (mut asked, mut answered) = (vec![0; PIECE], vec![0; PIECE]);
        let answers = |fault| if let Fault::CutAfter(bytes) = fault { bytes } else { usize::MAX };
        let mut left = answers(self.now());
        loop {
            let stalled = *self.stalled.borrow();
            let carried = tokio::select! {
                changed = self.fault.changed() => {
                    if changed.is_err() || matches!(*self.fault.borrow_and_update(), Fault::Reset | Fault::ReadOnly) {
                        return End::Reset;
                    }
                    left = answers(self.now());
                    continue;
                }
                changed = self.stalled.changed() => {
                    if changed.is_err() {
                        return End::Reset;
                    }
                    continue;
                }
                read = from_client.read(&mut asked), if !stalled => self.carry(read, &asked, &mut to_server).await,
                read = from_server.read(&mut answered), if !stalled => {
                    let cut = read.as_ref().is_ok_and(|&bytes| bytes > left);
                    let read = read.map(|bytes| bytes.min(left));
                    left -= *read.as_ref().unwrap_or(&0);
                    match self.carry(read, &answered, &mut to_client).await {
                        Ok(()) if cut => Err(End::Reset),
                        carried => carried,
                    }
                }
            };
            if let Err(end) = carried {
                return end;
            }
        }
    }

    /// Passes on what was read.
    async fn carry(
        &self,
        read: std::io::Result<usize>,
        piece: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), End> {
        match self.now() {
            Fault::BlackHole => {
                self.swallowed.fetch_add(1, Relaxed);
                return Err(End::Lost);
            }
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::None | Fault::Reset | Fault::CutAfter(_) | Fault::ReadOnly => {}
        }
        match read {
            Ok(bytes) if bytes > 0 => to.write_all(&piece[..bytes]).await.map_err(|_| End::Closed),
            _ => Err(End::Closed),
        }
    }

    /// Nothing passes any more. The client sees that when it stops waiting; the server when the network is healed.
    async fn half_open(&mut self, client: &mut TcpStream, server: Option<Box<dyn Stream>>) -> End {
        let swallowed = Arc::clone(&self.swallowed);
        let swallow = async {
            let mut piece = vec![0; PIECE];
            while client.read(&mut piece).await.is_ok_and(|bytes| bytes > 0) {
                swallowed.fetch_add(1, Relaxed);
            }
        };
        let mut healing = self.fault.clone();
        let close_server = async {
            // An error means that the proxy is going.
            let _ = healing.wait_for(|fault| *fault != Fault::BlackHole).await;
            drop(server);
        };
        tokio::select! {
            _ = self.fault.wait_for(|fault| *fault == Fault::Reset) => End::Reset,
            _ = async { tokio::join!(swallow, close_server) } => End::Closed,
        }
    }
}
