//! One connection of a mail door: bytes between a socket and the engine, TLS in between, nothing understood.
//!
//! It reads only when the engine asked for more, so that a client that sends faster than the platform works is held back
//! by its own socket; it tells the engine what was really written, so that a client that does not read is noticed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client that has not finished a TLS handshake by then is gone.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// A client that takes nothing of what is sent to it for so long is gone.
const STALLED: Duration = Duration::from_secs(300);

/// After the last reply, so long is read and thrown away, since closing on unread bytes would destroy that reply.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes read at once, at first and at most.
const READ_BYTES: (usize, usize) = (4 * 1024, 64 * 1024);

/// What the engine tells a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Write what is waiting, then speak TLS.
    StartTls,
    /// Read once more.
    More,
    /// Write what is waiting, then close.
    Close,
}

/// What a connection tells the engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// The client sent bytes.
    Received(Vec<u8>),
    /// TLS is spoken from now on.
    Secured,
    /// So many bytes were written.
    Sent(usize),
    /// Nothing more comes or goes.
    Closed,
}

/// A connection's end towards the engine.
pub(crate) trait Engine {
    /// Tells the engine; waits while it has too much to do. Whether it is still there.
    fn tell(&mut self, occurrence: Occurrence) -> impl Future<Output = bool> + Send;

    /// Receives the next instruction; `None` when the engine has forgotten the connection.
    fn poll_instruction(&mut self, context: &mut Context<'_>) -> Poll<Option<Instruction>>;
}

/// The stream as it is now.
enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
    /// A handshake that failed has used it up.
    Gone,
}

impl Stream {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

/// Something happened to the connection.
enum Step {
    Instructed(Option<Instruction>),
    Wrote(io::Result<usize>),
    Read(io::Result<usize>),
}

/// How a connection ended, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The platform closed it.
    ByPlatform,
    /// The client closed it.
    ByClient,
    /// No TLS came about.
    Handshake(String),
    /// The client took nothing of what was sent to it.
    Stalled,
    /// The environment ends.
    Engine,
}

struct Connection<E> {
    engine: E,
    stream: Stream,
    waiting: VecDeque<Vec<u8>>,
    /// Bytes of the first waiting piece that are written.
    written: usize,
    /// Written into TLS, perhaps not yet on the wire.
    unflushed: bool,
    /// The engine asked for more.
    wanted: bool,
    buffer: Vec<u8>,
}

/// Speaks TLS with a new client.
///
/// - Errors: what went wrong, for the log.
pub(crate) async fn secure(
    server: &Arc<rustls::ServerConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    match timeout(HANDSHAKE, TlsAcceptor::from(Arc::clone(server)).accept(stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the client did not finish in time".to_owned()),
    }
}

/// A client as a door hands it over.
pub(crate) enum Client {
    /// Nothing but a socket.
    Plain(TcpStream),
    /// TLS was spoken from the first byte.
    Secure(Box<TlsStream<TcpStream>>),
}

/// Serves one client until either side is done. The engine knows of the connection already.
///
/// - `server`: how TLS is spoken when the engine orders it.
pub(crate) async fn serve<E: Engine>(client: Client, server: &Arc<rustls::ServerConfig>, engine: E) -> Ending {
    let stream = match client {
        Client::Plain(stream) => Stream::Plain(stream),
        Client::Secure(stream) => Stream::Secure(stream),
    };
    let mut connection = Connection {
        engine,
        stream,
        waiting: VecDeque::new(),
        written: 0,
        unflushed: false,
        wanted: false,
        buffer: Vec::new(),
    };
    let ending = connection.run(server).await;
    let _ = connection.engine.tell(Occurrence::Closed).await;
    ending
}

impl<E: Engine> Connection<E> {
    async fn run(&mut self, server: &Arc<rustls::ServerConfig>) -> Ending {
        loop {
            match self.step().await {
                None => return Ending::Stalled,
                Some(Step::Instructed(None)) => {
                    self.finish().await;
                    return Ending::Engine;
                }
                Some(Step::Instructed(Some(instruction))) => match instruction {
                    Instruction::Send(bytes) => self.enqueue(bytes),
                    Instruction::More => self.wanted = true,
                    Instruction::Close => {
                        self.finish().await;
                        return Ending::ByPlatform;
                    }
                    Instruction::StartTls => {
                        if let Err(ending) = self.start_tls(server).await {
                            return ending;
                        }
                        if !self.engine.tell(Occurrence::Secured).await {
                            return Ending::Engine;
                        }
                    }
                },
                Some(Step::Wrote(Ok(length))) => {
                    if !self.engine.tell(Occurrence::Sent(length)).await {
                        return Ending::Engine;
                    }
                }
                Some(Step::Read(Ok(0))) => {
                    // Half a connection is still good for the replies that wait.
                    self.finish().await;
                    return Ending::ByClient;
                }
                Some(Step::Read(Ok(length))) => {
                    self.wanted = false;
                    let received = self.buffer.get(..length).unwrap_or_default().to_vec();
                    self.fit_buffer(length);
                    if !self.engine.tell(Occurrence::Received(received)).await {
                        return Ending::Engine;
                    }
                }
                Some(Step::Wrote(Err(_)) | Step::Read(Err(_))) => return Ending::ByClient,
            }
        }
    }

    fn enqueue(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.waiting.push_back(bytes);
        }
    }

    /// A client that fills the buffer gets a larger one, an idle one none at all.
    fn fit_buffer(&mut self, length: usize) {
        let (least, most) = READ_BYTES;
        if length == self.buffer.len() && length < most {
            self.buffer = vec![0; (length * 2).min(most)];
        } else if length <= least / 4 {
            self.buffer = Vec::new();
        }
    }

    /// Waits for the next thing to happen; `None` when the client takes nothing for too long.
    async fn step(&mut self) -> Option<Step> {
        loop {
            let writes = self.owes();
            let next = poll_fn(|context| self.poll_step(context));
            if !writes {
                return Some(next.await);
            }
            match timeout(STALLED, next).await {
                Ok(step) => return Some(step),
                Err(_) if self.owes() => return None,
                // All was written, and nothing else happened.
                Err(_) => {}
            }
        }
    }

    /// Whether something waits to be written.
    fn owes(&self) -> bool {
        !self.waiting.is_empty() || self.unflushed
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(instruction) = self.engine.poll_instruction(context) {
            return Poll::Ready(Step::Instructed(instruction));
        }
        if let Poll::Ready(written) = self.poll_waiting(context) {
            return Poll::Ready(Step::Wrote(written));
        }
        if self.wanted {
            if self.buffer.is_empty() {
                self.buffer = vec![0; READ_BYTES.0];
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            if let Poll::Ready(read) = self.stream.poll_read(context, &mut buffer) {
                let length = buffer.filled().len();
                return Poll::Ready(Step::Read(read.map(|()| length)));
            }
        }
        Poll::Pending
    }

    /// Writes as much of what waits as the socket takes; ready when some was written.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut total = 0;
        while let Some(first) = self.waiting.front() {
            let rest = first.get(self.written..).unwrap_or_default();
            match self.stream.poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => {
                    self.unflushed = true;
                    total += length;
                    self.written += length;
                    if self.written >= first.len() {
                        self.written = 0;
                        self.waiting.pop_front();
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if self.unflushed {
            match self.stream.poll_flush(context) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        if total > 0 { Poll::Ready(Ok(total)) } else { Poll::Pending }
    }

    /// Writes everything that waits; whether the client took it.
    async fn drain(&mut self) -> bool {
        while self.owes() {
            let written = timeout(STALLED, poll_fn(|context| self.poll_drained(context))).await;
            if !matches!(written, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    fn poll_drained(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.poll_waiting(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Pending if !self.owes() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends plaintext and begins TLS. What the client sent before its handshake never reaches the engine: nothing has
    /// been read beyond what the engine asked for, and what follows in the socket is taken for the handshake (RFC 3207 §4.2).
    async fn start_tls(&mut self, server: &Arc<rustls::ServerConfig>) -> Result<(), Ending> {
        if !self.drain().await {
            return Err(Ending::Stalled);
        }
        let stream = match std::mem::replace(&mut self.stream, Stream::Gone) {
            Stream::Plain(stream) => stream,
            Stream::Secure(_) | Stream::Gone => {
                return Err(Ending::Handshake("TLS was ordered where it is spoken already".to_owned()));
            }
        };
        let secured = secure(server, stream).await.map_err(Ending::Handshake)?;
        self.stream = Stream::Secure(Box::new(secured));
        Ok(())
    }

    /// Writes what waits, says goodbye and waits a little for the client to do the same.
    async fn finish(&mut self) {
        if !self.drain().await {
            return;
        }
        let farewell = async {
            poll_fn(|context| self.stream.poll_shutdown(context)).await?;
            let mut thrown_away = [0; 1024];
            for _ in 0..1024 {
                let mut buffer = ReadBuf::new(&mut thrown_away);
                poll_fn(|context| self.stream.poll_read(context, &mut buffer)).await?;
                if buffer.filled().is_empty() {
                    break;
                }
            }
            io::Result::Ok(())
        };
        // Whatever happens to a connection that is over concerns nobody.
        let _ = timeout(LINGER, farewell).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::embedded::authority::{self, Authority};

    /// An engine that a test plays by hand.
    struct Played {
        told: mpsc::Sender<Occurrence>,
        instructions: mpsc::UnboundedReceiver<Instruction>,
    }

    impl Engine for Played {
        async fn tell(&mut self, occurrence: Occurrence) -> bool {
            self.told.send(occurrence).await.is_ok()
        }

        fn poll_instruction(&mut self, context: &mut Context<'_>) -> Poll<Option<Instruction>> {
            self.instructions.poll_recv(context)
        }
    }

    struct Game {
        client: TcpStream,
        told: mpsc::Receiver<Occurrence>,
        orders: mpsc::UnboundedSender<Instruction>,
        trust: Arc<rustls::ClientConfig>,
        served: JoinHandle<Ending>,
    }

    async fn game() -> Game {
        let folder = tempfile::tempdir().unwrap();
        let today = jiff::Timestamp::now().as_second() / 86_400;
        let authority = Authority::open(folder.path(), "p", &BTreeSet::new(), &BTreeMap::new(), "1.2", today).unwrap();
        let trust = authority::client(folder.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (told, receiver) = mpsc::channel(4);
        let (orders, instructions) = mpsc::unbounded_channel();
        let played = Played { told, instructions };
        let served = tokio::spawn(async move { serve(Client::Plain(stream), &authority.server, played).await });
        Game { client, told: receiver, orders, trust, served }
    }

    impl Game {
        async fn next(&mut self) -> Occurrence {
            timeout(Duration::from_secs(20), self.told.recv()).await.expect("the engine is told in time").unwrap()
        }

        /// The next thing told that is not about bytes written.
        async fn next_but_sent(&mut self) -> Occurrence {
            loop {
                match self.next().await {
                    Occurrence::Sent(_) => {}
                    other => return other,
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_read_before_the_engine_asks() {
        let mut game = game().await;
        game.client.write_all(b"EHLO a\r\n").await.unwrap();
        game.orders.send(Instruction::Send(b"220 hello\r\n".to_vec())).unwrap();
        let mut greeting = [0; 11];
        game.client.read_exact(&mut greeting).await.unwrap();
        assert_eq!(game.next().await, Occurrence::Sent(11));
        assert!(game.told.try_recv().is_err());
        game.orders.send(Instruction::More).unwrap();
        assert_eq!(game.next().await, Occurrence::Received(b"EHLO a\r\n".to_vec()));
    }

    #[tokio::test]
    async fn plaintext_behind_starttls_never_reaches_the_engine() {
        let mut game = game().await;
        game.orders.send(Instruction::More).unwrap();
        game.client.write_all(b"STARTTLS\r\n").await.unwrap();
        assert_eq!(game.next().await, Occurrence::Received(b"STARTTLS\r\n".to_vec()));
        // The injected command lies in the socket when the handshake begins.
        game.client.write_all(b"RCPT TO:<victim@acme.example>\r\n").await.unwrap();
        game.orders.send(Instruction::Send(b"220 ready\r\n".to_vec())).unwrap();
        game.orders.send(Instruction::StartTls).unwrap();
        assert_eq!(game.next_but_sent().await, Occurrence::Closed);
        assert!(matches!(game.served.await.unwrap(), Ending::Handshake(_)));
    }

    #[tokio::test]
    async fn a_connection_goes_on_under_tls_after_starttls() {
        let mut game = game().await;
        game.orders.send(Instruction::Send(b"220 ready\r\n".to_vec())).unwrap();
        game.orders.send(Instruction::StartTls).unwrap();
        let mut ready = [0; 11];
        game.client.read_exact(&mut ready).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::clone(&game.trust));
        let (plain, _) = (game.client, ());
        let mut secure = connector.connect(name, plain).await.unwrap();
        let mut told = game.told;
        loop {
            match told.recv().await.unwrap() {
                Occurrence::Sent(_) => {}
                other => {
                    assert_eq!(other, Occurrence::Secured);
                    break;
                }
            }
        }
        game.orders.send(Instruction::More).unwrap();
        secure.write_all(b"EHLO again\r\n").await.unwrap();
        assert_eq!(told.recv().await.unwrap(), Occurrence::Received(b"EHLO again\r\n".to_vec()));
        let long = vec![b'x'; 300_000];
        game.orders.send(Instruction::Send(long.clone())).unwrap();
        game.orders.send(Instruction::Close).unwrap();
        // Those who are told must go on taking, or the connection waits for them.
        let drained = tokio::spawn(async move { while told.recv().await.is_some() {} });
        let mut received = Vec::new();
        secure.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), long.len());
        drop(secure);
        assert_eq!(game.served.await.unwrap(), Ending::ByPlatform);
        drained.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_closes_its_half_still_gets_what_waits() {
        let mut game = game().await;
        let reply = vec![b'y'; 1 << 20];
        game.orders.send(Instruction::Send(reply.clone())).unwrap();
        game.orders.send(Instruction::More).unwrap();
        game.client.shutdown().await.unwrap();
        let (mut told, mut client) = (game.told, game.client);
        let all = tokio::spawn(async move {
            let mut last = None;
            while let Some(occurrence) = told.recv().await {
                last = Some(occurrence);
            }
            last
        });
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len(), reply.len());
        assert_eq!(game.served.await.unwrap(), Ending::ByClient);
        assert_eq!(all.await.unwrap(), Some(Occurrence::Closed));
    }

    #[tokio::test]
    async fn the_last_reply_arrives_although_the_client_went_on_talking() {
        let mut game = game().await;
        game.client.write_all(&vec![b'z'; 200_000]).await.unwrap();
        game.orders.send(Instruction::Send(b"421 enough\r\n".to_vec())).unwrap();
        game.orders.send(Instruction::Close).unwrap();
        let mut received = Vec::new();
        game.client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"421 enough\r\n");
        drop(game.client);
        assert_eq!(game.served.await.unwrap(), Ending::ByPlatform);
    }
}
