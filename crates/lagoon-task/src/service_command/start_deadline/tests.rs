use super::*;

fn obstacle(kind: ObstacleKind, reason: &str) -> Obstacle {
    Obstacle { kind, reason: reason.to_owned(), message: format!("why {reason}") }
}

const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_pull_that_fails_is_given_a_minute_from_its_first_failure_on_and_a_hopeless_one_no_time() {
    let begun = Instant::now();
    let mut start = Start::begin(begun);
    assert_eq!(start.deadline(DAY), (begun + START_WITHIN, START_WITHIN));
    let first = begun + Duration::from_secs(20);
    assert!(start.see(Some(obstacle(ObstacleKind::Image, "ErrImagePull")), first));
    assert!(!start.see(Some(obstacle(ObstacleKind::Image, "ImagePullBackOff")), first + Duration::from_secs(10)));
    assert_eq!(start.obstacle().unwrap().reason, "ErrImagePull", "which says why");
    assert_eq!(start.deadline(DAY), (first + OBSTACLE_WITHIN, OBSTACLE_WITHIN));
    let hopeless = first + Duration::from_secs(20);
    assert!(start.see(Some(obstacle(ObstacleKind::HopelessImage, "InvalidImageName")), hopeless));
    assert_eq!(start.deadline(DAY), (hopeless, Duration::ZERO));
}

#[test]
fn a_pull_that_works_after_all_is_given_the_whole_time_again() {
    let begun = Instant::now();
    let mut start = Start::begin(begun);
    start.see(Some(obstacle(ObstacleKind::Image, "ImagePullBackOff")), begun);
    assert_eq!(start.obstacle().unwrap().reason, "ImagePullBackOff", "when nothing better is known");
    assert!(!start.see(None, begun + Duration::from_secs(30)));
    assert_eq!((start.obstacle(), start.deadline(DAY).0), (None, begun + START_WITHIN));
}

#[test]
fn nothing_is_waited_for_beyond_the_limits() {
    let begun = Instant::now();
    let mut start = Start::begin(begun);
    let limit = Duration::from_secs(5);
    assert_eq!(start.deadline(limit), (begun + limit, limit));
    start.see(Some(obstacle(ObstacleKind::Image, "ErrImagePull")), begun + Duration::from_secs(1));
    assert_eq!(start.deadline(limit), (begun + limit, limit));
    start.see(Some(obstacle(ObstacleKind::NoNode, "Unschedulable")), begun + Duration::from_secs(2));
    assert_eq!(start.deadline(DAY), (begun + START_WITHIN, START_WITHIN));
    start.see(Some(obstacle(ObstacleKind::Container, "CreateContainerError")), begun + Duration::from_secs(595));
    assert_eq!(start.deadline(DAY), (begun + START_WITHIN, START_WITHIN));
}
