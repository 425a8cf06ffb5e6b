//! Compresses blocks on several threads and gives them back in order.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A block, packed.
#[derive(Debug)]
pub(super) struct Packed {
    /// The compressed bytes.
    pub(super) bytes: Vec<u8>,
    /// How many bytes they were made from.
    pub(super) plain: u64,
    /// CRC-32 of the plain bytes.
    pub(super) crc: u32,
}

/// A packed block, and the emptied buffer of the plain one.
type Done = (u64, io::Result<Packed>, Vec<u8>);

type Compress = fn(&[u8]) -> io::Result<Packed>;

/// A pool with a bounded number of blocks in flight, so that memory does not grow with the
/// bundle.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: Option<SyncSender<(u64, Vec<u8>)>>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
    submitted: u64,
    returned: u64,
    waiting: BTreeMap<u64, io::Result<Packed>>,
    limit: u64,
    /// Emptied buffers of blocks that came back.
    spare: Vec<Vec<u8>>,
}

impl Pool {
    pub(super) fn new(threads: usize, compress: Compress) -> Self {
        let threads = threads.max(1);
        let limit = threads * 2;
        let (jobs, queue) = sync_channel::<(u64, Vec<u8>)>(limit);
        // Room for every block in flight, so that no thread ever blocks on giving one back.
        let (results, done) = sync_channel::<Done>(limit + 1);
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads)
            .map(|_| {
                let (queue, results) = (Arc::clone(&queue), results.clone());
                std::thread::spawn(move || work(&queue, &results, compress))
            })
            .collect();
        Self {
            jobs: Some(jobs),
            done,
            threads,
            submitted: 0,
            returned: 0,
            waiting: BTreeMap::new(),
            limit: limit as u64,
            spare: Vec::new(),
        }
    }

    /// Hands a block to the pool.
    pub(super) fn submit(&mut self, block: Vec<u8>) -> io::Result<()> {
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send((self.submitted, block)).map_err(|_| gone())?;
        self.submitted += 1;
        Ok(())
    }

    /// A buffer for the next block: one that came back, if there is any.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Whether the next block should be taken back before another one is submitted.
    pub(super) fn is_full(&self) -> bool {
        self.submitted - self.returned >= self.limit
    }

    /// Waits for the next block in the order of submission; `None` when none is in flight.
    pub(super) fn next(&mut self) -> Option<io::Result<Packed>> {
        if self.returned == self.submitted {
            return None;
        }
        loop {
            if let Some(packed) = self.waiting.remove(&self.returned) {
                self.returned += 1;
                return Some(packed);
            }
            match self.done.recv() {
                Ok((number, packed, buffer)) => {
                    self.waiting.insert(number, packed);
                    self.spare.push(buffer);
                }
                Err(_) => return Some(Err(gone())),
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        // Results that nobody waits for must not block their threads.
        while self.done.try_recv().is_ok() {}
        for thread in self.threads.drain(..) {
            // A panic in a worker has already shown as a missing block.
            drop(thread.join());
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the threads that compress have ended")
}

fn work(queue: &Mutex<Receiver<(u64, Vec<u8>)>>, results: &SyncSender<Done>, compress: Compress) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, mut block)) = job else { return };
        let packed = compress(&block);
        block.clear();
        if results.send((number, packed, block)).is_err() {
            return;
        }
    }
}
