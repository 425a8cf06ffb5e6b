//! Which metric families the tables read, and how their samples are kept.

/// How the samples of a family are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// A counter: zero says no more than absence, so zeros are dropped.
    Counter,
    /// A gauge, or a counter whose zero matters.
    Gauge,
    /// Buckets of a histogram, kept as one histogram without its empty buckets.
    Buckets,
}

use Keep::{Buckets, Counter, Gauge};

/// The families by name, in the order of their names.
const FAMILIES: [(&str, Keep); 123] = [
    ("control_destination_balancer_endpoints", Gauge),
    ("control_destination_balancer_p2c_endpoints", Gauge),
    (
        "control_destination_balancer_queue_gate_open_time_seconds",
        Gauge,
    ),
    (
        "control_destination_balancer_queue_gate_shut_time_seconds",
        Gauge,
    ),
    (
        "control_destination_balancer_queue_gate_shut_total",
        Counter,
    ),
    ("control_destination_balancer_queue_length", Gauge),
    ("control_dns_resolutions_total", Counter),
    ("control_identity_balancer_endpoints", Gauge),
    ("control_identity_balancer_p2c_endpoints", Gauge),
    (
        "control_identity_balancer_queue_gate_open_time_seconds",
        Gauge,
    ),
    (
        "control_identity_balancer_queue_gate_shut_time_seconds",
        Gauge,
    ),
    ("control_identity_balancer_queue_gate_shut_total", Counter),
    ("control_identity_balancer_queue_length", Gauge),
    ("control_identity_cert_expiration_timestamp_seconds", Gauge),
    ("control_identity_cert_refresh_timestamp_seconds", Gauge),
    ("control_identity_cert_refreshes_total", Counter),
    ("control_policy_balancer_endpoints", Gauge),
    ("control_policy_balancer_p2c_endpoints", Gauge),
    (
        "control_policy_balancer_queue_gate_open_time_seconds",
        Gauge,
    ),
    (
        "control_policy_balancer_queue_gate_shut_time_seconds",
        Gauge,
    ),
    ("control_policy_balancer_queue_gate_shut_total", Counter),
    ("control_policy_balancer_queue_length", Gauge),
    ("control_response_total", Counter),
    ("endpoint_profile_updates_queue_overflow", Counter),
    ("endpoint_updates_queue_overflow", Counter),
    ("endpoints_exists", Gauge),
    ("endpoints_informer_lag_seconds_bucket", Buckets),
    ("endpoints_subscribers", Gauge),
    ("endpointslices_informer_lag_seconds_bucket", Buckets),
    ("externalworkload_informer_lag_seconds_bucket", Buckets),
    ("gateway_alive", Gauge),
    ("gateway_enabled", Gauge),
    ("gateway_latency", Gauge),
    ("gateway_probes", Counter),
    ("go_goroutines", Gauge),
    ("grpc_server_handled_total", Counter),
    ("grpc_server_started_total", Counter),
    ("http_client_errors_total", Counter),
    ("http_client_qps", Gauge),
    ("http_client_request_latency_seconds_bucket", Buckets),
    ("http_client_requests_total", Counter),
    ("http_server_requests_total", Counter),
    ("identity_cert_expiration_timestamp_seconds", Gauge),
    ("identity_cert_refresh_count", Counter),
    ("identity_cert_refresh_timestamp_seconds", Gauge),
    ("identity_cert_refreshes_total", Counter),
    ("inbound_http_authz_allow_total", Counter),
    ("inbound_http_authz_deny_total", Counter),
    ("inbound_http_errors_total", Counter),
    ("inbound_http_local_ratelimit_total", Counter),
    ("inbound_http_route_not_found_total", Counter),
    ("inbound_tcp_authz_deny_total", Counter),
    ("inbound_tcp_authz_terminate_total", Counter),
    ("inbound_tcp_detect_http_results_total", Counter),
    ("inbound_tcp_errors_total", Counter),
    ("issuer_cert_ttl_seconds", Gauge),
    ("kube_client_response_status_total", Counter),
    ("kube_watch_errors_total", Counter),
    (
        "linkerd_cni_repair_controller_events_publish_errors_total",
        Counter,
    ),
    (
        "linkerd_cni_repair_controller_pods_delete_errors_total",
        Counter,
    ),
    (
        "linkerd_cni_repair_controller_pods_delete_timeout_total",
        Counter,
    ),
    ("linkerd_cni_repair_controller_pods_deleted_total", Counter),
    (
        "linkerd_cni_repair_controller_queue_overflow_total",
        Counter,
    ),
    ("outbound_grpc_route_request_statuses_total", Counter),
    ("outbound_http_balancer_endpoints", Gauge),
    ("outbound_http_balancer_p2c_endpoints", Gauge),
    ("outbound_http_balancer_queue_gate_open_time_seconds", Gauge),
    ("outbound_http_balancer_queue_gate_shut_time_seconds", Gauge),
    ("outbound_http_balancer_queue_gate_shut_total", Counter),
    ("outbound_http_balancer_queue_length", Gauge),
    ("outbound_http_balancer_queue_requests_total", Counter),
    ("outbound_http_errors_total", Counter),
    ("outbound_http_route_request_statuses_total", Counter),
    ("outbound_http_route_retry_limit_exceeded_total", Counter),
    ("outbound_http_route_retry_overflow_total", Counter),
    ("outbound_http_route_retry_requests_total", Counter),
    ("outbound_tcp_balancer_endpoints", Gauge),
    ("outbound_tcp_balancer_p2c_endpoints", Gauge),
    ("outbound_tcp_balancer_queue_gate_open_time_seconds", Gauge),
    ("outbound_tcp_balancer_queue_gate_shut_time_seconds", Gauge),
    ("outbound_tcp_balancer_queue_gate_shut_total", Counter),
    ("outbound_tcp_balancer_queue_length", Gauge),
    ("outbound_tcp_balancer_queue_requests_total", Counter),
    ("outbound_tcp_detect_http_results_total", Counter),
    ("outbound_tcp_errors_total", Counter),
    ("outbound_tls_balancer_endpoints", Gauge),
    ("outbound_tls_balancer_p2c_endpoints", Gauge),
    ("outbound_tls_balancer_queue_gate_open_time_seconds", Gauge),
    ("outbound_tls_balancer_queue_gate_shut_time_seconds", Gauge),
    ("outbound_tls_balancer_queue_gate_shut_total", Counter),
    ("outbound_tls_balancer_queue_length", Gauge),
    ("outbound_tls_balancer_queue_requests_total", Counter),
    ("pods_informer_lag_seconds_bucket", Buckets),
    ("process_clock_time_seconds", Gauge),
    ("process_cpu_seconds_total", Gauge),
    ("process_max_fds", Gauge),
    ("process_open_fds", Gauge),
    ("process_resident_memory_bytes", Gauge),
    ("process_start_time_seconds", Gauge),
    ("process_threads", Gauge),
    ("process_uptime_seconds_total", Gauge),
    ("profile_updates_queue_overflow", Counter),
    ("proxy_build_info", Gauge),
    ("proxy_inject_admission_requests_total", Counter),
    ("proxy_inject_admission_responses_total", Counter),
    ("resource_status_patch_api_errors_total", Counter),
    ("resource_status_patch_drops_total", Counter),
    ("resource_status_patch_enqueue_overflows_total", Counter),
    ("resource_status_patch_timeouts_total", Counter),
    ("response_latency_ms_bucket", Buckets),
    ("response_total", Counter),
    ("route_response_total", Counter),
    ("servers_informer_lag_seconds_bucket", Buckets),
    ("serviceprofiles_informer_lag_seconds_bucket", Buckets),
    ("services_informer_lag_seconds_bucket", Buckets),
    ("tcp_close_total", Counter),
    ("tcp_open_connections", Counter),
    ("tcp_open_total", Counter),
    ("tokio_rt_busy_seconds_total", Gauge),
    ("tokio_rt_workers", Gauge),
    ("workqueue_depth", Gauge),
    ("workqueue_drops_total", Counter),
    ("workqueue_unfinished_work_seconds", Gauge),
];

/// How a family's samples are kept; `None` if no table reads it.
pub(super) fn keep(family: &str) -> Option<Keep> {
    FAMILIES.get(number(family)?).map(|(_, keep)| *keep)
}

/// How many families there are.
pub(super) const COUNT: usize = FAMILIES.len();

/// The number of a family that tables read, below [`COUNT`].
pub(super) fn number(family: &str) -> Option<usize> {
    FAMILIES
        .binary_search_by(|(name, _)| name.cmp(&family))
        .ok()
}

/// The name of the family with a number.
pub(super) fn name(number: usize) -> Option<&'static str> {
    FAMILIES.get(number).map(|(name, _)| *name)
}

/// Labels that no table reads and that would only make series longer.
const UNREAD: [&str; 14] = [
    "backend_group",
    "backend_section_name",
    "dst_control_plane_ns",
    "dst_pod_template_hash",
    "dst_zone",
    "dst_zone_locality",
    "hostname",
    "parent_group",
    "parent_section_name",
    "authz_group",
    "route_group",
    "route_namespace",
    "target_ip",
    "target_port",
];

/// Whether a label is dropped from families that no rule asks for by name. `target_ip` and
/// `target_port` repeat `target_addr`.
pub(super) fn is_unread(label: &str) -> bool {
    UNREAD.contains(&label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_in_order_so_that_they_can_be_found() {
        assert!(FAMILIES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(keep("response_latency_ms_bucket"), Some(Buckets));
        assert_eq!(keep("go_memstats_sys_bytes"), None);
    }
}
