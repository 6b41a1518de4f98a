//! A slow line: bytes of a connection take their time, and only so many come through in a second.
//!
//! What a host of the simulated internet is said to be like holds for real daemons, too: its connections are passed through here.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use blueprint::launch::InternetDomain;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes that are passed on in one piece.
const PIECE: usize = 4096;

/// Pieces that are under way each way; who sends more waits.
const UNDER_WAY: usize = 64;

/// What a line is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// How long bytes take, each way.
    pub(crate) latency: Duration,
    /// Bytes in a second; `None` for no limit.
    pub(crate) bytes_per_second: Option<u64>,
}

impl Line {
    /// Returns the line of a domain's host.
    pub(crate) fn of(domain: &InternetDomain) -> Self {
        Self {
            latency: Duration::from_millis(domain.latency.map_or(0, values::Duration::as_milliseconds)),
            bytes_per_second: domain.bandwidth.map(|bandwidth| (bandwidth.as_bits_per_second() / 8).max(1)),
        }
    }

    /// Tells whether anybody could notice it.
    pub(crate) fn is_slow(&self) -> bool {
        *self != Self::default()
    }

    /// Returns how long so many bytes hold the line up.
    fn hold(&self, bytes: usize) -> Duration {
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate.max(1))
    }

    /// Puts the line between a connection and who serves it; returns the end to be served.
    pub(crate) async fn behind(self, outer: TcpStream) -> std::io::Result<TcpStream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let near = TcpStream::connect(listener.local_addr()?).await?;
        let own = near.local_addr()?;
        let far = loop {
            let (far, peer): (TcpStream, SocketAddr) = listener.accept().await?;
            if peer == own {
                break far;
            }
        };
        for stream in [&outer, &near, &far] {
            stream.set_nodelay(true)?;
        }
        tokio::spawn(async move {
            // Shaking hands takes a way there and back.
            tokio::time::sleep(self.latency * 2).await;
            self.pass(outer, far).await;
        });
        Ok(near)
    }

    /// Passes bytes both ways until both sides have said all they want to.
    pub(crate) async fn pass(self, one: TcpStream, other: TcpStream) {
        let (from_one, to_one) = one.into_split();
        let (from_other, to_other) = other.into_split();
        tokio::join!(self.one_way(from_one, to_other), self.one_way(from_other, to_one));
    }

    async fn one_way(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let (pieces, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
        let send = async move {
            let mut free = Instant::now();
            loop {
                let mut piece = vec![0; PIECE];
                // Whatever the end looks like, it is the end of this way.
                let Ok(length @ 1..) = from.read(&mut piece).await else { return };
                piece.truncate(length);
                free = free.max(Instant::now()) + self.hold(length);
                if pieces.send((free + self.latency, piece)).await.is_err() {
                    return;
                }
            }
        };
        let receive = async move {
            while let Some((at, piece)) = arriving.recv().await {
                tokio::time::sleep_until(at).await;
                if to.write_all(&piece).await.is_err() {
                    return;
                }
            }
            let _ = to.shutdown().await;
        };
        tokio::join!(send, receive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_take_their_time_and_only_so_many_come_through() {
        let line = Line { latency: Duration::from_millis(30), bytes_per_second: Some(100_000) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (outer, _) = listener.accept().await.unwrap();
        let mut served = line.behind(outer).await.unwrap();
        let begun = Instant::now();
        client.write_all(&[7; 20_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        served.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [7; 20_000]);
        // A fifth of a second for the bytes, and the way there.
        assert!(begun.elapsed() >= Duration::from_millis(230), "{:?}", begun.elapsed());
        served.write_all(b"220 at last\r\n").await.unwrap();
        drop(served);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "220 at last\r\n");
    }

    #[test]
    fn a_line_without_limits_is_no_slow_one() {
        assert!(!Line::default().is_slow());
        assert_eq!(Line::default().hold(1 << 20), Duration::ZERO);
        let slow = Line { bytes_per_second: Some(8_000), ..Line::default() };
        assert!(slow.is_slow());
        assert_eq!(slow.hold(4_000), Duration::from_millis(500));
    }
}
