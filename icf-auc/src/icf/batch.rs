//! Many callers, one worker, as many requests at a time as have gathered: group commit for writes, one
//! query for many misses of the cache.

use std::{fmt, future::Future};

use tokio::sync::{mpsc, oneshot};

/// Sends requests to a worker that takes all that wait at once.
pub struct Batcher<Request, Response> {
    queue: mpsc::Sender<(Request, oneshot::Sender<Response>)>,
}

/// The worker's queue is full, or it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is not keeping up")]
pub struct Overloaded;

impl<Request, Response> Clone for Batcher<Request, Response> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Request, Response> fmt::Debug for Batcher<Request, Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batcher({} free)", self.queue.capacity())
    }
}

impl<Request: Send + 'static, Response: Send + 'static> Batcher<Request, Response> {
    /// Starts the worker. It takes up to `most` requests at a time, `queued` may wait; `run` gives one
    /// response for each, in order. It ends when the last `Batcher` is dropped and the queue is empty.
    pub fn start<Run, Running>(most: usize, queued: usize, mut run: Run) -> Self
    where
        Run: FnMut(Vec<Request>) -> Running + Send + 'static,
        Running: Future<Output = Vec<Response>> + Send + 'static,
    {
        let (queue, mut waiting) = mpsc::channel(queued);
        tokio::spawn(async move {
            let mut taken: Vec<(Request, oneshot::Sender<Response>)> = Vec::with_capacity(most);
            while waiting.recv_many(&mut taken, most).await > 0 {
                let (requests, callers): (Vec<Request>, Vec<oneshot::Sender<Response>>) =
                    taken.drain(..).unzip();
                // On a task of its own: if it panics these callers are told, and those who come later served.
                let Ok(responses) = tokio::spawn(run(requests)).await else {
                    tracing::error!("a batch was not finished");
                    continue;
                };
                for (response, caller) in responses.into_iter().zip(callers) {
                    // A caller that went away does not mind.
                    let _ = caller.send(response);
                }
            }
        });
        Self { queue }
    }

    /// Waits for the response.
    ///
    /// # Errors
    /// At once if the queue is full: whoever asks has to say that it is busy, not to wait.
    pub async fn call(&self, request: Request) -> Result<Response, Overloaded> {
        let (reply, response) = oneshot::channel();
        self.queue.try_send((request, reply)).map_err(|_| Overloaded)?;
        response.await.map_err(|_| Overloaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_taken_at_once() {
        let batcher = Batcher::start(100, 100, |requests: Vec<u32>| async move {
            tokio::task::yield_now().await;
            let size = requests.len();
            requests.into_iter().map(|r| (r, size)).collect()
        });
        let calls = (0..50).map(|i| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.call(i).await })
        });
        let mut largest = 0;
        for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            let (request, size) = call.await.unwrap().unwrap();
            assert_eq!(request as usize, i);
            largest = largest.max(size);
        }
        assert!(largest > 1, "nothing was gathered");
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let batcher = Batcher::start(1, 1, |requests: Vec<u32>| async move {
            std::future::pending::<()>().await;
            requests
        });
        let calls: Vec<_> = (0..3)
            .map(|i| {
                let batcher = batcher.clone();
                tokio::spawn(async move {
                    tokio::time::timeout(std::time::Duration::from_millis(50), batcher.call(i)).await
                })
            })
            .collect();
        let mut refused = 0;
        for call in calls {
            refused += usize::from(matches!(call.await.unwrap(), Ok(Err(Overloaded))));
        }
        assert!(refused >= 1);
    }

    #[tokio::test]
    async fn a_batch_that_panics_is_refused_and_the_next_is_served() {
        let batcher = Batcher::start(8, 8, |requests: Vec<u32>| async move {
            assert_ne!(requests, [13], "unlucky");
            requests
        });
        assert_eq!(batcher.call(13).await, Err(Overloaded));
        assert_eq!(batcher.call(14).await, Ok(14));
    }
}
