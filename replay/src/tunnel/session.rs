//! What is said over SPDY to forward ports: for each connection the client opens a stream for
//! errors and one for data, which name the port and the same request.

use std::collections::BTreeMap;
use std::io::Error;

use axum::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::frame::{Frame, Reader, Writer};
use crate::conversation::{Conversation, Turn};
use crate::forward::{FOREVER, Place, SILENCE, converse};

/// Streams that a client may have open at once.
const MAX_STREAMS: usize = 1000;

/// Forwards ports until the client goes, or says what is no SPDY.
pub(super) async fn run<C: AsyncRead + AsyncWrite + Unpin>(place: Place, connection: C) {
    let (input, output) = tokio::io::split(connection);
    let session = Session {
        place,
        output,
        writer: Writer::new(),
        streams: BTreeMap::new(),
    };
    // The end of a connection, however it comes, needs no answer.
    drop(session.talk(Reader::new(input)).await);
}

struct Session<C> {
    place: Place,
    output: WriteHalf<C>,
    writer: Writer,
    streams: BTreeMap<u32, Stream>,
}

/// A stream that the client opened.
struct Stream {
    /// Shared by the two streams of a connection.
    request: String,
    /// `None` for the stream of errors.
    conversation: Option<Conversation>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Session<C> {
    async fn talk(mut self, mut reader: Reader<ReadHalf<C>>) -> std::io::Result<()> {
        loop {
            let limit = if self.place.is_stalled() {
                FOREVER
            } else {
                SILENCE
            };
            match tokio::time::timeout(limit, reader.next()).await?? {
                Frame::Open { stream, headers } => self.open(stream, &headers).await?,
                Frame::Data {
                    stream,
                    bytes,
                    is_last,
                } => self.take(stream, bytes, is_last).await?,
                Frame::Reset(stream) => {
                    self.streams.remove(&stream);
                }
                Frame::Ping(id) => self.output.write_all(&Writer::pong(id)).await?,
                Frame::GoAway => return Ok(()),
                Frame::Other => {}
            }
            self.output.flush().await?;
        }
    }

    async fn open(
        &mut self,
        stream: u32,
        headers: &BTreeMap<String, String>,
    ) -> std::io::Result<()> {
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let port = header("port").parse::<u16>().ok().filter(|p| *p > 0);
        let conversation = match (header("streamtype"), port) {
            ("error", Some(_)) => None,
            ("data", Some(port)) => Some(self.place.connect(port)),
            _ => return self.output.write_all(&Writer::reset(stream)).await,
        };
        if self.streams.len() >= MAX_STREAMS || self.streams.contains_key(&stream) {
            return self.output.write_all(&Writer::reset(stream)).await;
        }
        let request = header("requestid").to_owned();
        let opened = Stream {
            request,
            conversation,
        };
        self.streams.insert(stream, opened);
        let reply = self.writer.accept(stream)?;
        self.output.write_all(&reply).await
    }

    async fn take(&mut self, number: u32, bytes: Vec<u8>, is_last: bool) -> std::io::Result<()> {
        let stream = self.streams.get_mut(&number);
        // Of a stream of errors the client says nothing but that it will say nothing.
        let Some(conversation) = stream.and_then(|s| s.conversation.take()) else {
            return Ok(());
        };
        let Some((conversation, turns)) = converse(conversation, bytes).await else {
            return self.end(number, None).await;
        };
        for turn in turns {
            match turn {
                Turn::Answer(bytes) => self.say(number, bytes.into()).await?,
                Turn::Last(bytes) => {
                    self.say(number, bytes.into()).await?;
                    return self.end(number, None).await;
                }
                Turn::Refused(why) => return self.end(number, Some(&why)).await,
            }
        }
        if is_last {
            return self.end(number, None).await;
        }
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.conversation = Some(conversation);
        }
        Ok(())
    }

    async fn say(&mut self, stream: u32, mut bytes: Bytes) -> std::io::Result<()> {
        while let Some(piece) = self.place.pass(&mut bytes).await.map_err(Error::other)? {
            let frames = Writer::data(stream, &piece, false);
            self.output.write_all(&frames).await?;
            self.output.flush().await?;
        }
        Ok(())
    }

    /// Ends a connection: both of its streams, with what went wrong on the one for errors.
    async fn end(&mut self, data: u32, why: Option<&str>) -> std::io::Result<()> {
        // What has stalled does not end.
        let ended = self
            .streams
            .remove(&data)
            .filter(|_| !self.place.is_stalled());
        let Some(ended) = ended else {
            return Ok(());
        };
        let mut others = self.streams.iter();
        let of_errors = others.find(|(_, s)| s.request == ended.request);
        let of_errors = of_errors.map(|(number, _)| *number);
        let text = why.unwrap_or_default().as_bytes();
        if let Some(number) = of_errors {
            self.streams.remove(&number);
            let frames = Writer::data(number, text, true);
            self.output.write_all(&frames).await?;
        }
        let frames = Writer::data(data, &[], true);
        self.output.write_all(&frames).await
    }
}
