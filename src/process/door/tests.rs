//! Both halves together, in this process's own network.

use std::os::fd::AsFd;

use super::{wire::Message, *};

fn door(endpoints: &[&str]) -> (Door, OwnedFd) {
    let (ours, theirs) = pair().unwrap();
    let endpoints = endpoints.iter().map(|text| text.parse().unwrap()).collect();
    (Door::open(ours, endpoints, Arc::default()).unwrap(), theirs)
}

fn keeper(berth: OwnedFd) -> std::thread::JoinHandle<()> {
    let keeper = Keeper::open(berth, &[]).unwrap();
    std::thread::spawn(move || {
        loop {
            let mut polled: Vec<_> = keeper
                .sockets()
                .map(|socket| rustix::event::PollFd::from_borrowed_fd(socket, rustix::event::PollFlags::IN))
                .collect();
            rustix::event::poll(&mut polled, None).unwrap();
            if !keeper.serve(0) {
                return;
            }
        }
    })
}

#[tokio::test]
async fn dials_what_listens_and_nothing_else() {
    let (door, theirs) = door(&[]);
    let keeper = keeper(theirs);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = door.handle().dial(port).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().port(), port);
    drop(listener);
    let refused = door.handle().dial(port).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let handle = door.handle();
    drop(door);
    assert_eq!(handle.dial(port).await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    tokio::task::spawn_blocking(|| keeper.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_keeper_that_ends_fails_who_waits() {
    let (door, theirs) = door(&[]);
    let handle = door.handle();
    let (dialled, ()) = tokio::join!(handle.dial(1), async move {
        while wire::receive(&theirs).is_err() {
            tokio::task::yield_now().await;
        }
        drop(theirs);
    });
    assert_eq!(dialled.unwrap_err().kind(), io::ErrorKind::NotConnected);
    drop(door);
}

#[tokio::test]
async fn a_descriptor_that_is_no_tcp_socket_is_not_taken() {
    let (door, theirs) = door(&[]);
    let handle = door.handle();
    let (dialled, ()) = tokio::join!(handle.dial(1), async {
        while wire::receive(&theirs).is_err() {
            tokio::task::yield_now().await;
        }
        wire::send(&theirs, Message::Dialled { id: 0 }, Some(theirs.as_fd())).unwrap();
    });
    assert_eq!(dialled.unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_keeper_that_makes_no_sense_loses_its_door() {
    for message in
        [Message::Knocked { target: 1 }, Message::Failed { id: 3, errno: 1 }, Message::Dial { id: 1, port: 1 }]
    {
        let (mut door, theirs) = door(&["a.localhost:1"]);
        // A failure that carries a descriptor, an entry that is not on the list, what only Berth says.
        let with = matches!(message, Message::Knocked { .. } | Message::Failed { .. }).then(|| theirs.as_fd());
        wire::send(&theirs, message, with).unwrap();
        let passage = door.passages().unwrap().recv().await;
        assert!(matches!(&passage, Some(Passage::Refused(text)) if text.contains("shut")), "{message:?}: {passage:?}");
    }
}

#[tokio::test]
async fn a_descriptor_that_the_kernel_keeps_back_shuts_nothing() {
    let (mut door, theirs) = door(&["a.localhost:1"]);
    let mut passages = door.passages().unwrap();
    for message in [Message::Dialled { id: 3 }, Message::Knocked { target: 0 }] {
        wire::send(&theirs, message, None).unwrap();
    }
    let passage = passages.recv().await;
    assert!(matches!(&passage, Some(Passage::Failed(text)) if text.contains("open files")), "{passage:?}");
    // It is still heard.
    wire::send(&theirs, Message::Dial { id: 1, port: 1 }, None).unwrap();
    assert!(matches!(passages.recv().await, Some(Passage::Refused(_))));
}

#[tokio::test]
async fn what_is_private_is_refused_and_reset() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut door, theirs) = door(&["a.localhost:1"]);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    wire::send(&theirs, Message::Knocked { target: 0 }, Some(accepted.as_fd())).unwrap();
    drop(accepted);
    let passage = door.passages().unwrap().recv().await;
    assert!(matches!(&passage, Some(Passage::Refused(text)) if text.contains("a.localhost:1")), "{passage:?}");
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn only_so_many_go_out_at_a_time() {
    let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("a.localhost:{}", outside.local_addr().unwrap().port());
    let guard = Guard::new(name.parse().unwrap());
    let (ours, theirs) = pair().unwrap();
    let mut door = Door::open(ours, vec![name.parse().unwrap()], Arc::new(guard)).unwrap();
    let mut passages = door.passages().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    let mut knock = async || {
        clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (accepted, _) = listener.accept().await.unwrap();
        wire::send(&theirs, Message::Knocked { target: 0 }, Some(accepted.as_fd())).unwrap();
    };
    for _ in 0..MAX_OUTSIDE {
        knock().await;
        assert!(matches!(passages.recv().await, Some(Passage::Opened)));
    }
    knock().await;
    let passage = passages.recv().await;
    assert!(matches!(&passage, Some(Passage::Refused(text)) if text.contains("64 connections")), "{passage:?}");
    clients.clear();
    drop(outside);
    for _ in 0..MAX_OUTSIDE {
        assert!(matches!(passages.recv().await, Some(Passage::Closed { .. })));
    }
}
