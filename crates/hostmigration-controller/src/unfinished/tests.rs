use super::*;

#[test]
fn a_switch_counts_once_from_its_first_failed_attempt_to_its_end() {
    let unended = Unended::default();
    unended.left("shop-develop", "one");
    unended.left("shop-develop", "one");
    unended.left("blog-develop", "one");
    assert_eq!(unended.count.get(), 2);
    assert!(unended.has("shop-develop", "one") && !unended.has("shop-develop", "two"));
    unended.ended("shop-develop", "two");
    assert_eq!(unended.count.get(), 2);
    unended.ended("shop-develop", "one");
    assert_eq!(unended.count.get(), 1);
}

#[test]
fn hosts_are_offline_until_an_attempt_says_otherwise_or_the_switch_ends() {
    let unended = Unended::default();
    unended.left_offline("shop-develop", "one", 2);
    unended.left_offline("blog-develop", "one", 1);
    // An attempt that has not come to look at the routes.
    unended.left("shop-develop", "one");
    assert_eq!((unended.count.get(), unended.hosts_offline.get()), (2, 3));
    unended.left_offline("shop-develop", "one", 0);
    assert_eq!((unended.count.get(), unended.hosts_offline.get()), (2, 1));
    unended.ended("blog-develop", "one");
    assert_eq!((unended.count.get(), unended.hosts_offline.get()), (1, 0));
}

#[test]
fn a_completed_switch_ends_those_that_were_begun_in_its_namespace_before() {
    let unended = Unended::default();
    unended.left("shop-develop", "deleted");
    unended.left("blog-develop", "deleted");
    unended.completed("shop-develop");
    assert!(unended.has("blog-develop", "deleted"));
    assert_eq!(unended.count.get(), 1);
}
