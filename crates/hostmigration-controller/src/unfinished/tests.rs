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
fn a_completed_switch_ends_those_that_were_begun_in_its_namespace_before() {
    let unended = Unended::default();
    unended.left("shop-develop", "deleted");
    unended.left("blog-develop", "deleted");
    unended.completed("shop-develop");
    assert!(unended.has("blog-develop", "deleted"));
    assert_eq!(unended.count.get(), 1);
}
