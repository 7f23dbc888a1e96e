//! Who does what in a world, and what goes wrong, drawn from its seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use lagoon_task_testing::Fault;
use route_switch::side::Side;

use crate::worlds::content::Content;

/// Runs of a world, at most; so many at once, at most.
const RUNS: usize = 3;

/// A run of the task.
#[derive(Debug)]
pub struct Run {
    pub number: usize,
    /// Whether it switches back.
    pub is_back: bool,
    /// Whether it asks the controller.
    pub is_crd_way: bool,
    /// What happens to its requests, by their numbers.
    pub points: BTreeMap<usize, Point>,
}

/// What happens to a request.
#[derive(Debug)]
pub enum Point {
    Fault(Fault),
    /// It is held (its answer, if so) until these have been done.
    Held(bool, Vec<Action>),
}

/// What is done while a request is held.
#[derive(Debug)]
pub enum Action {
    Deploy(Deployment),
    /// Another run starts, and goes on beside this one.
    Launch(Run),
    /// Another run starts, and comes to its end.
    Finish(Run),
    /// This run is killed.
    Kill,
    /// This run is stopped while these are done, and then continued.
    Stop(Lost, Vec<Action>),
}

/// What the cluster believes of a run that is stopped.
#[derive(Debug, Clone, Copy)]
pub enum Lost {
    /// It runs.
    No,
    /// Its pod has failed.
    Failed,
    /// Its pod is gone.
    Gone,
}

/// What a deployment, or a user, does meanwhile.
#[derive(Debug)]
pub enum Deployment {
    /// Adds a route with a Secret of its own.
    Add(Side, String),
    /// Deletes the route of this place in the content, wherever it is.
    Delete(usize),
    /// Renews its Secret.
    Renew(usize),
    /// Changes an annotation of it.
    Change(usize),
    /// Annotates the journal.
    Annotate,
}

/// Draws plans.
pub struct Plans<'a> {
    pub rng: &'a mut Rng,
    pub content: &'a Content,
    runs: usize,
    added: usize,
}

impl<'a> Plans<'a> {
    pub fn new(rng: &'a mut Rng, content: &'a Content) -> Self {
        Self { rng, content, runs: 0, added: 0 }
    }

    /// A run, with single, double or triple faults.
    pub fn run(&mut self) -> Run {
        let number = self.runs;
        self.runs += 1;
        let is_crd_way = self.rng.u32(0..4) == 0;
        let is_back = self.rng.u32(0..3) == 0;
        // A little more than a run without faults has.
        let requests = if is_crd_way { 6 } else { 24 + 8 * self.content.routes.len() };
        let faults = if number == 0 { self.rng.usize(1..=3) } else { self.rng.usize(0..=2) };
        let mut points = BTreeMap::new();
        for _ in 0..faults {
            points.insert(self.rng.usize(0..requests), self.fault());
        }
        for _ in 0..self.rng.usize(0..=2) {
            points.insert(self.rng.usize(0..requests), Point::Held(self.rng.bool(), self.actions()));
        }
        Run { number, is_back, is_crd_way, points }
    }

    fn fault(&mut self) -> Point {
        let faults = [
            Fault::NeverArrives,
            Fault::AnswerLost,
            Fault::AnsweredInstead(409, None),
            Fault::AnsweredInstead(500, None),
            Fault::AnsweredWrongly(500),
            Fault::AnsweredInstead(429, Some(0)),
        ];
        Point::Fault(faults[self.rng.usize(0..faults.len())])
    }

    fn actions(&mut self) -> Vec<Action> {
        match self.rng.u32(0..10) {
            0..=1 => vec![Action::Kill],
            2..=4 => {
                let lost = [Lost::No, Lost::Failed, Lost::Gone][self.rng.usize(0..3)];
                let mut meanwhile: Vec<Action> = self.other().into_iter().collect();
                meanwhile.extend(self.other());
                vec![Action::Stop(lost, meanwhile)]
            }
            5..=7 => self.other().into_iter().collect(),
            _ => self.deployment().map(Action::Deploy).into_iter().collect(),
        }
    }

    /// Another run, or a deployment where there are enough of them.
    fn other(&mut self) -> Option<Action> {
        if self.runs >= RUNS || self.rng.u32(0..4) == 0 {
            return self.deployment().map(Action::Deploy);
        }
        let run = self.run();
        Some(if self.rng.bool() { Action::Launch(run) } else { Action::Finish(run) })
    }

    fn deployment(&mut self) -> Option<Deployment> {
        if self.content.problem.is_some() {
            return None;
        }
        let route = self.rng.usize(0..self.content.routes.len());
        Some(match self.rng.u32(0..8) {
            0..=1 => {
                self.added += 1;
                Deployment::Add(if self.rng.bool() { Side::Standby } else { Side::Active }, format!("n{}", self.added))
            }
            2..=3 => Deployment::Delete(route),
            4..=5 if self.content.routes[route].own_secret.is_some() => Deployment::Renew(route),
            4..=6 => Deployment::Change(route),
            _ => Deployment::Annotate,
        })
    }
}

impl Run {
    /// All deployments of this run and of those that it starts, and how many runs it starts beside itself.
    pub fn deployments<'a>(&'a self, found: &mut Vec<&'a Deployment>) {
        for point in self.points.values() {
            if let Point::Held(_, actions) = point {
                of_actions(actions, found);
            }
        }
    }
}

fn of_actions<'a>(actions: &'a [Action], found: &mut Vec<&'a Deployment>) {
    for action in actions {
        match action {
            Action::Deploy(deployment) => found.push(deployment),
            Action::Launch(run) | Action::Finish(run) => run.deployments(found),
            Action::Stop(_, actions) => of_actions(actions, found),
            Action::Kill => {}
        }
    }
}
