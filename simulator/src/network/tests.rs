//! The network, in order and out of reach.

use proptest::prelude::*;

use super::*;

type Net = Network<u16, String>;

const A: HostId = HostId(0);
const B: HostId = HostId(1);
const ZERO: Moment = Moment(0);

fn net(latency: u64) -> Net {
    let line = Line { latency_milliseconds: latency, bytes_per_second: None };
    Network::new(vec![line, line], Chance::new(1))
}

/// Lets everything happen up to a moment and returns what was told, accepting every connection.
fn run(net: &mut Net, until: Moment) -> Vec<(u64, Happening<u16, String>)> {
    let mut told = Vec::new();
    while let Some(at) = net.wake().filter(|&at| at <= until) {
        while let Some(happening) = net.next(at) {
            if let Happening::Incoming { socket, .. } = happening {
                net.accept(at, socket);
            }
            told.push((at.0, happening));
        }
    }
    told
}

fn connected(net: &mut Net) -> (SocketId, SocketId) {
    let near = net.connect(ZERO, A, B, 25);
    let told = run(net, Moment(1_000));
    let far = told.iter().find_map(|(_, one)| match one {
        Happening::Incoming { socket, host: B, port: 25, from: A } => Some(*socket),
        _ => None,
    });
    assert!(matches!(told.last(), Some((_, Happening::Connected(socket))) if *socket == near));
    (near, far.unwrap())
}

#[test]
fn a_connection_takes_a_round_trip() {
    let mut net = net(10);
    net.connect(ZERO, A, B, 25);
    let told = run(&mut net, Moment(1_000));
    assert!(matches!(told[0], (20, Happening::Incoming { .. })));
    assert!(matches!(told[1], (40, Happening::Connected(_))));
}

#[test]
fn bytes_come_in_order_and_the_close_behind_them() {
    let mut net = net(10);
    let (near, far) = connected(&mut net);
    net.send(Moment(1_000), near, b"one ".to_vec());
    net.send(Moment(1_001), near, b"two".to_vec());
    net.close(Moment(1_001), near);
    assert_eq!(net.backlog(near), 0, "a closed end has none");
    run(&mut net, Moment(2_000));
    assert_eq!(net.read(Moment(2_000), far).unwrap(), b"one ");
    assert_eq!(net.read(Moment(2_000), far).unwrap(), b"two");
    assert_eq!(net.read(Moment(2_000), far), Some(Vec::new()));
    assert_eq!(net.read(Moment(2_000), far), None);
}

#[test]
fn what_was_not_read_counts_as_backlog() {
    let mut net = net(0);
    let (near, far) = connected(&mut net);
    net.send(Moment(1_000), near, vec![0; 700]);
    run(&mut net, Moment(1_000));
    assert_eq!(net.backlog(near), 700);
    net.read(Moment(1_000), far);
    assert_eq!(net.backlog(near), 0);
    let told = run(&mut net, Moment(1_000));
    assert!(matches!(told[..], [(_, Happening::Writable(socket))] if socket == near));
}

#[test]
fn a_slow_line_takes_its_time() {
    let mut net = net(0);
    net.set_line(B, Line { latency_milliseconds: 0, bytes_per_second: Some(1_000) });
    let (near, _) = connected(&mut net);
    net.send(Moment(1_000), near, vec![0; 500]);
    assert!(run(&mut net, Moment(1_499)).is_empty());
    assert!(matches!(run(&mut net, Moment(1_500))[..], [(1_500, Happening::Readable(_))]));
}

#[test]
fn a_refused_and_an_unanswered_connection_are_told_apart() {
    let mut net = net(5);
    let refused = net.connect(ZERO, A, B, 1);
    let Some(Happening::Incoming { socket, .. }) = net.next(Moment(10)) else { panic!("nobody called") };
    net.refuse(Moment(10), socket);
    let told = run(&mut net, Moment(100));
    assert!(matches!(told[..], [(20, Happening::Failed(socket, Unreachable::Refused))] if socket == refused));
    net.set_power(Moment(100), B, false);
    let silent = net.connect(Moment(100), A, B, 1);
    let told = run(&mut net, Moment(100_000));
    assert!(matches!(told[..], [(30_100, Happening::Failed(socket, Unreachable::TimedOut))] if socket == silent));
}

#[test]
fn a_short_cut_only_delays() {
    let mut net = net(1);
    let (near, far) = connected(&mut net);
    net.set_reach(Moment(1_000), A, B, false);
    net.send(Moment(1_000), near, b"x".to_vec());
    assert!(run(&mut net, Moment(30_000)).is_empty());
    net.set_reach(Moment(30_000), A, B, true);
    assert!(matches!(run(&mut net, Moment(100_000))[..], [(30_002, Happening::Readable(socket))] if socket == far));
}

#[test]
fn a_long_cut_resets_both_ends() {
    let mut net = net(1);
    let (near, far) = connected(&mut net);
    net.set_reach(Moment(1_000), A, B, false);
    net.send(Moment(1_000), near, b"x".to_vec());
    let told = run(&mut net, Moment(100_000));
    let reset: Vec<SocketId> = told
        .iter()
        .filter_map(|(_, one)| if let Happening::Reset(socket) = one { Some(*socket) } else { None })
        .collect();
    assert_eq!(reset, [near, far]);
}

#[test]
fn a_host_that_lost_power_forgets_its_streams_and_the_others_learn_of_it() {
    for back in [Some(5_000), None] {
        let mut net = net(1);
        let (near, far) = connected(&mut net);
        net.set_power(Moment(1_000), B, false);
        if let Some(back) = back {
            assert!(run(&mut net, Moment(back)).is_empty());
            net.set_power(Moment(back), B, true);
        }
        let told = run(&mut net, Moment(200_000));
        let at = back.map_or(61_000, |back| back + 2);
        assert!(
            matches!(told[..], [(told_at, Happening::Reset(socket))] if socket == near && told_at == at),
            "{told:?}"
        );
        assert!(!net.is_readable(far));
    }
}

#[test]
fn a_call_is_answered_refused_or_lost() {
    let mut net = net(5);
    let call = net.call(ZERO, A, B, 10, "question".to_owned());
    assert!(matches!(net.next(Moment(10)), Some(Happening::Called { host: B, parcel, .. }) if parcel == "question"));
    net.answer(Moment(10), call, Some("answer".to_owned()));
    let told = run(&mut net, Moment(100_000));
    assert!(matches!(&told[..], [(20, Happening::Answered { parcel, .. })] if parcel == "answer"), "{told:?}");
    let call = net.call(Moment(100_000), A, B, 10, String::new());
    net.next(Moment(100_010));
    net.answer(Moment(100_010), call, None);
    assert!(matches!(run(&mut net, Moment(200_000))[..], [(_, Happening::Lost(_, Unreachable::Refused))]));
    net.set_reach(Moment(200_000), A, B, false);
    net.call(Moment(200_000), A, B, 10, String::new());
    assert!(matches!(run(&mut net, Moment(300_000))[..], [(230_000, Happening::Lost(_, Unreachable::TimedOut))]));
}

proptest! {
    /// Whatever the weather and however often the way is cut for less than a minute: all bytes arrive, once, in order.
    #[test]
    fn a_stream_that_is_not_reset_is_whole(
        seed: u64,
        loss in 0_u64..400_000,
        steps in proptest::collection::vec((0_u64..5_000, 0_u8..6, 1_usize..50), 1..60),
    ) {
        let line = Line { latency_milliseconds: 3, bytes_per_second: Some(10_000) };
        let mut net: Net = Network::new(vec![line, line], Chance::new(seed));
        let (near, far) = connected(&mut net);
        net.set_weather(Weather { loss_per_million: loss, reset_per_million: 0 });
        let mut now = Moment(1_000);
        let (mut sent, mut read) = (Vec::new(), Vec::new());
        for (time, step, length) in steps {
            now = now.plus(time);
            match step {
                0 => {
                    net.set_reach(now, A, B, false);
                    run(&mut net, now.plus(time));
                    now = now.plus(time);
                    net.set_reach(now, A, B, true);
                }
                1..=3 => {
                    let bytes = vec![u8::try_from(sent.len() % 256).unwrap(); length];
                    sent.extend_from_slice(&bytes);
                    net.send(now, near, bytes);
                }
                _ => {
                    run(&mut net, now);
                    while let Some(bytes) = net.read(now, far) {
                        read.extend(bytes);
                    }
                }
            }
        }
        net.close(now, near);
        let end = now.plus(10_000_000);
        run(&mut net, end);
        while let Some(bytes) = net.read(end, far) {
            read.extend(bytes);
        }
        prop_assert_eq!(read, sent);
    }
}
