//! The DNS door: datagrams and streams, answered from the zones of the world.

use std::sync::Arc;
use std::time::Duration;

use simulator::dns::{Transport, Zones};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// A client that has not sent a whole question by then is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Questions of one stream.
const QUESTIONS: usize = 100;

/// The largest datagram that is taken for a question, in bytes.
const QUESTION_BYTES: usize = 4096;

/// Answers a question, away from whoever has to go on: a key that it asks for may have to be made first.
async fn answer(zones: &Arc<Zones>, question: Vec<u8>, transport: Transport) -> Option<Vec<u8>> {
    let zones = Arc::clone(zones);
    tokio::task::spawn_blocking(move || simulator::dns::answer(&zones, &question, transport)).await.ok().flatten()
}

/// Answers datagrams until it is dropped.
pub(crate) async fn serve_datagrams(socket: UdpSocket, zones: Arc<Zones>) {
    let mut buffer = vec![0; QUESTION_BYTES];
    loop {
        // An error belongs to an earlier answer that could not be delivered, and concerns nobody else.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let question = buffer.get(..length).unwrap_or_default().to_vec();
        if let Some(bytes) = answer(&zones, question, Transport::Datagram).await {
            let _ = socket.send_to(&bytes, peer).await;
        }
    }
}

/// Answers the questions of one stream, each behind two octets of length (RFC 1035 §4.2.2).
pub(crate) async fn serve_stream(mut stream: TcpStream, zones: &Arc<Zones>) -> std::io::Result<()> {
    for _ in 0..QUESTIONS {
        let question = timeout(PATIENCE, async {
            let length = stream.read_u16().await?;
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await?;
            std::io::Result::Ok(question)
        });
        let Ok(Ok(question)) = question.await else { return Ok(()) };
        let Some(bytes) = answer(zones, question, Transport::Stream).await else { return Ok(()) };
        let Ok(length) = u16::try_from(bytes.len()) else { return Ok(()) };
        let mut reply = length.to_be_bytes().to_vec();
        reply.extend(bytes);
        match timeout(PATIENCE, stream.write_all(&reply)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}
