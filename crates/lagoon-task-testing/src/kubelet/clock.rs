//! The time that the stand-in writes into objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

pub(super) fn now() -> Time {
    Time(Timestamp::now())
}
