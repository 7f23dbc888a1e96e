use std::collections::BTreeSet;

use super::*;

const LIMITS: Limits = Limits { first: 2, slow: 3, again: 2, patience: seconds(1) };

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn identity(namespace: &str, name: &str) -> Identity {
    Identity { namespace: namespace.to_owned(), name: name.to_owned(), uid: name.to_owned() }
}

/// A queue in which these objects, each named after its namespace, wait for their first attempt.
fn waiting(namespaces: &[&str]) -> Queue<&'static str> {
    let mut queue = Queue::new(LIMITS);
    for namespace in namespaces {
        queue.offer(&identity(namespace, namespace), "start", Kind::First, seconds(0));
    }
    queue
}

/// The names of all attempts that are handed out at this time.
fn handed(queue: &mut Queue<&'static str>, now: u64) -> Vec<String> {
    std::iter::from_fn(|| queue.next(seconds(now))).map(|attempt| attempt.identity.name).collect()
}

fn end(queue: &mut Queue<&'static str>, name: &str, end: End, now: u64) {
    queue.ended(&identity(name, name), end, seconds(now));
}

#[test]
fn attempts_up_to_the_limit_start_in_the_order_of_arrival() {
    let mut queue = waiting(&["a", "b", "c"]);
    assert_eq!(handed(&mut queue, 0), ["a", "b"]);
    assert_eq!(queue.counts(), Counts { waiting: 1, first: 2, ..Counts::default() });
    end(&mut queue, "b", End::Done, 0);
    assert_eq!(handed(&mut queue, 0), ["c"]);
}

#[test]
fn first_attempt_says_how_long_it_has_waited() {
    let mut queue = waiting(&["a"]);
    assert_eq!(queue.next(seconds(3)).unwrap().waited, Some(seconds(3)));
    end(&mut queue, "a", End::Again(seconds(4)), 3);
    assert_eq!(queue.next(seconds(4)).unwrap().waited, None);
}

#[test]
fn slow_attempts_leave_their_place_until_their_group_is_full() {
    let mut queue = waiting(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(handed(&mut queue, 0), ["a", "b"]);
    assert_eq!(queue.wakes(), Some(seconds(1)));
    assert_eq!(handed(&mut queue, 1), ["c", "d"]);
    // One more may be slow; the other keeps its place.
    assert_eq!(handed(&mut queue, 2), ["e"]);
    assert_eq!(queue.counts(), Counts { waiting: 1, first: 2, slow: 3, ..Counts::default() });
    assert_eq!((handed(&mut queue, 9).len(), queue.wakes()), (0, None));
    // As soon as one of the slow ones ends, the oldest of the others takes its place.
    end(&mut queue, "a", End::Done, 9);
    assert_eq!(handed(&mut queue, 9), ["f"]);
    assert_eq!(queue.counts(), Counts { first: 2, slow: 3, ..Counts::default() });
}

#[test]
fn namespace_has_one_attempt_at_work_and_takes_turns() {
    let mut queue = Queue::new(LIMITS);
    for name in ["1", "2", "3"] {
        queue.offer(&identity("many", name), "start", Kind::First, seconds(0));
    }
    queue.offer(&identity("few", "4"), "start", Kind::First, seconds(0));
    queue.offer(&identity("one", "5"), "start", Kind::First, seconds(0));
    assert_eq!(handed(&mut queue, 0), ["1", "4"]);
    queue.ended(&identity("few", "4"), End::Done, seconds(0));
    assert_eq!(handed(&mut queue, 0), ["5"]);
    queue.ended(&identity("many", "1"), End::Done, seconds(0));
    assert_eq!(handed(&mut queue, 0), ["2"]);
    // Another kind of attempt in that namespace waits as well.
    queue.offer(&identity("many", "6"), "resume", Kind::Again, seconds(0));
    assert_eq!(handed(&mut queue, 0), [""; 0]);
    queue.ended(&identity("many", "2"), End::Done, seconds(0));
    assert_eq!(handed(&mut queue, 0), ["6"]);
}

#[test]
fn attempts_to_try_again_take_no_place_of_a_first_one() {
    let mut queue = waiting(&["a", "b"]);
    for name in ["x", "y", "z"] {
        queue.offer(&identity(name, name), "resume", Kind::Again, seconds(0));
    }
    assert_eq!(handed(&mut queue, 0), ["x", "y", "a", "b"]);
    assert_eq!(queue.counts(), Counts { first: 2, again: 2, later: 1, ..Counts::default() });
    end(&mut queue, "a", End::Done, 0);
    assert_eq!(handed(&mut queue, 0), [""; 0]);
    end(&mut queue, "x", End::Done, 0);
    assert_eq!(handed(&mut queue, 0), ["z"]);
}

#[test]
fn failed_attempt_is_made_again_when_it_is_due() {
    let mut queue = waiting(&["a"]);
    handed(&mut queue, 0);
    end(&mut queue, "a", End::Again(seconds(5)), 0);
    // Its own writes come back as changes, and hurry nobody.
    queue.offer(&identity("a", "a"), "resume", Kind::Again, seconds(1));
    assert_eq!((handed(&mut queue, 4).len(), queue.wakes()), (0, Some(seconds(5))));
    assert_eq!(queue.next(seconds(5)).unwrap().job, "resume");
}

#[test]
fn request_while_an_attempt_rests_is_a_first_attempt() {
    let mut queue = waiting(&["a"]);
    handed(&mut queue, 0);
    queue.offer(&identity("a", "a"), "resume", Kind::Again, seconds(1));
    end(&mut queue, "a", End::Again(seconds(60)), 1);
    queue.offer(&identity("a", "a"), "start", Kind::First, seconds(2));
    assert_eq!(queue.next(seconds(2)).unwrap().waited, Some(seconds(0)));
}

#[test]
fn change_during_an_attempt_is_looked_at_after_it() {
    let mut queue = waiting(&["a", "b"]);
    handed(&mut queue, 0);
    for name in ["a", "b"] {
        queue.offer(&identity(name, name), "resume", Kind::Again, seconds(1));
    }
    // What the attempt has written last says that it is done.
    queue.settled(&identity("b", "b"), seconds(1));
    end(&mut queue, "a", End::Done, 1);
    end(&mut queue, "b", End::Done, 1);
    assert_eq!(handed(&mut queue, 1), ["a"]);
    end(&mut queue, "a", End::Done, 1);
    assert_eq!((queue.identities().count(), queue.counts()), (0, Counts::default()));
}

#[test]
fn object_that_goes_before_its_attempt_is_forgotten() {
    let mut queue = waiting(&["a", "b"]);
    queue.gone(&identity("a", "a"), "gone", seconds(0));
    queue.settled(&identity("b", "b"), seconds(0));
    queue.gone(&identity("c", "c"), "gone", seconds(0));
    assert_eq!(handed(&mut queue, 0), [""; 0]);
    assert_eq!((queue.identities().count(), queue.counts()), (0, Counts::default()));
}

#[test]
fn object_that_goes_after_an_attempt_is_looked_at_at_once() {
    let mut queue = waiting(&["rests", "works"]);
    handed(&mut queue, 0);
    end(&mut queue, "rests", End::Again(seconds(60)), 0);
    for name in ["rests", "works"] {
        queue.gone(&identity(name, name), "gone", seconds(1));
    }
    assert_eq!(queue.next(seconds(1)).unwrap().job, "gone");
    end(&mut queue, "works", End::Again(seconds(60)), 1);
    assert_eq!(queue.next(seconds(1)).unwrap().job, "gone");
    end(&mut queue, "works", End::Done, 1);
    end(&mut queue, "rests", End::Done, 1);
    assert_eq!(queue.identities().count(), 0);
}

/// What happens to one object in a drawn world: how long each of its attempts takes.
#[derive(Debug, Clone)]
struct Fate {
    is_blocked: bool,
    /// When an attempt at work ends, and whether it fails.
    ends: Option<(Duration, bool)>,
    fails: usize,
    is_done: bool,
    first_waits_since: Option<Duration>,
}

/// A world of arrivals, ends, failures and changes, drawn from a seed.
struct World {
    random: u64,
    queue: Queue<&'static str>,
    fates: HashMap<Identity, Fate>,
    now: Duration,
    /// The namespaces whose first attempts were handed out, in this order.
    turns: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        // Blocked sites fit into the group for them: the promise to the healthy ones holds then.
        let limits = Limits { first: 3, slow: 40, again: 4, patience: seconds(1) };
        let queue = Queue::new(limits);
        Self {
            random: seed.wrapping_mul(2).wrapping_add(1),
            queue,
            fates: HashMap::new(),
            now: seconds(0),
            turns: Vec::new(),
        }
    }

    /// A number below `limit` (an xorshift generator: no dependency is worth it).
    fn draw(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % limit
    }

    fn arrive(&mut self, number: u64, is_blocked: bool) {
        let namespace = if is_blocked { format!("blocked-{number}") } else { format!("site-{}", self.draw(60)) };
        let identity = identity(&namespace, &number.to_string());
        let fails = usize::try_from(self.draw(3)).unwrap();
        let first_waits_since = Some(self.now);
        let fate = Fate { is_blocked, ends: None, fails, is_done: false, first_waits_since };
        self.fates.insert(identity.clone(), fate);
        self.queue.offer(&identity, "start", Kind::First, self.now);
    }

    fn hand_out(&mut self) {
        while let Some(attempt) = self.queue.next(self.now) {
            let length = Duration::from_millis(10 + self.draw(900));
            let fate = self.fates.get_mut(&attempt.identity).unwrap();
            assert!(fate.ends.is_none() && !fate.is_done, "{attempt:?}");
            if fate.first_waits_since.take().is_some() {
                self.turns.push(attempt.identity.namespace.clone());
            }
            let length = if fate.is_blocked { seconds(30) } else { length };
            let fails = fate.is_blocked || fate.fails > 0;
            fate.fails = fate.fails.saturating_sub(1);
            fate.ends = Some((self.now + length, fails));
        }
        self.check();
    }

    fn check(&self) {
        let counts = self.queue.counts();
        let limits = self.queue.limits;
        assert!(counts.first <= limits.first && counts.slow <= limits.slow && counts.again <= limits.again);
        let at_work: Vec<&Identity> =
            self.fates.iter().filter(|(_, fate)| fate.ends.is_some()).map(|(identity, _)| identity).collect();
        let namespaces: BTreeSet<&String> = at_work.iter().map(|identity| &identity.namespace).collect();
        assert_eq!(namespaces.len(), at_work.len(), "a namespace has two attempts at work");
        assert_eq!(at_work.len(), counts.first + counts.slow + counts.again);
        // Nobody is lost.
        let open = self.fates.values().filter(|fate| !fate.is_done).count();
        assert_eq!(open, counts.waiting + counts.later + at_work.len());
        // A site that could start waits only while each place has an attempt that has not taken long.
        let could_start = self
            .fates
            .iter()
            .any(|(identity, fate)| fate.first_waits_since.is_some() && !namespaces.contains(&identity.namespace));
        assert!(!could_start || counts.first == limits.first, "{counts:?}");
        for (since, _) in &self.queue.first {
            assert!(self.now < *since + limits.patience || counts.slow == limits.slow);
        }
    }

    /// Goes on to the next moment at which something happens.
    fn go_on(&mut self) -> bool {
        let ends = self.fates.values().filter_map(|fate| fate.ends.map(|(time, _)| time));
        let Some(next) = ends.chain(self.queue.wakes()).min() else { return false };
        self.now = self.now.max(next);
        let mut over: Vec<Identity> = Vec::new();
        for (identity, fate) in &self.fates {
            if fate.ends.is_some_and(|(time, _)| time <= self.now) {
                over.push(identity.clone());
            }
        }
        over.sort_by(|one, other| one.name.cmp(&other.name));
        for identity in over {
            if self.draw(4) == 0 {
                self.queue.offer(&identity, "resume", Kind::Again, self.now);
                if self.draw(2) == 0 {
                    self.queue.settled(&identity, self.now);
                }
            }
            let fate = self.fates.get_mut(&identity).unwrap();
            let (_, fails) = fate.ends.take().unwrap();
            let wait = seconds(5);
            let end = if fails { End::Again(self.now + wait) } else { End::Done };
            self.queue.ended(&identity, end, self.now);
            fate.is_done = !self.queue.entries.contains_key(&identity);
        }
        true
    }

    fn is_over(&self) -> bool {
        self.fates.values().all(|fate| fate.is_blocked || fate.is_done)
    }
}

#[test]
fn healthy_sites_wait_for_no_blocked_one_whatever_the_order_of_arrival() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        for number in 0..200 {
            let is_blocked = world.draw(5) == 0;
            world.arrive(number, is_blocked);
            if world.draw(3) == 0 {
                world.hand_out();
                world.go_on();
            }
        }
        while !world.is_over() {
            world.hand_out();
            assert!(world.go_on(), "seed {seed}: nothing happens any more");
            assert!(world.now < seconds(3600), "seed {seed}: it does not end");
        }
    }
}

#[test]
fn two_hundred_sites_are_done_before_the_first_of_fifty_blocked_ones_ends() {
    let mut queue = Queue::new(Limits::of(4));
    let name = |number: usize| format!("{number}");
    for number in 0..200 {
        queue.offer(&identity(&name(number), &name(number)), "start", Kind::First, seconds(0));
    }
    // The blocked ones come first, and none of them ends.
    let (mut now, mut done) = (Duration::ZERO, 0);
    while done < 150 {
        let handed: Vec<_> = std::iter::from_fn(|| queue.next(now)).collect();
        let mut healthy =
            handed.iter().filter(|attempt| attempt.identity.name.parse::<usize>().unwrap() >= 50).peekable();
        if healthy.peek().is_none() {
            now = queue.wakes().expect("a blocked one leaves its place");
        }
        for attempt in healthy {
            queue.ended(&attempt.identity, End::Done, now);
            done += 1;
        }
    }
    assert_eq!(queue.counts().first + queue.counts().slow, 50);
}

#[test]
fn namespace_with_many_objects_delays_others_by_one_attempt() {
    let mut world = World::new(7);
    for number in 0..100 {
        let identity = identity("many", &format!("many-{number}"));
        let fate = Fate { is_blocked: false, ends: None, fails: 0, is_done: false, first_waits_since: Some(world.now) };
        world.fates.insert(identity.clone(), fate);
        world.queue.offer(&identity, "start", Kind::First, world.now);
    }
    for number in 0..60 {
        world.arrive(number, false);
    }
    while !world.is_over() {
        world.hand_out();
        assert!(world.go_on());
    }
    let others: Vec<usize> =
        world.turns.iter().enumerate().filter(|(_, turn)| *turn != "many").map(|(at, _)| at).collect();
    assert!(*others.last().unwrap() < 2 * others.len() + 1, "{:?}", world.turns);
}
