/**
 * Keys that LiteLLM documents and this gateway does nothing with yet. They load with a warning each, so that a file
 * from there starts here and its owner learns what is not in force. A key that is acted on leaves this file.
 */
import { notEnforcedKeyFields } from '@toolgate/auth'

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

export const inertTopLevelKeys = words(`
  agent_list callback_settings credential_list default_vertex_config files_settings finetune_settings include
  mcp_tools pass_through_endpoints policies prompts search_tools vector_store_registry
`)

export const inertLitellmSettings = words(`
  mcp_tool_search public_mcp_servers public_mcp_hub_strict_whitelist user_url_validation
  user_url_allowed_hosts key_generation_settings
  enable_redis_auth_cache cache cache_params priority_reservation priority_reservation_settings callbacks
  success_callback failure_callback service_callback json_logs set_verbose
  network_mock max_budget budget_duration store_audit_logs redact_user_api_key_info
  turn_off_message_logging default_team_settings default_internal_user_params max_internal_user_budget internal_user_budget_duration
  force_ipv4 ssl_verify ssl_certificate model_alias_map telemetry tag_budget_config retry_after
`)

export const inertGeneralSettings = words(`
  database_connection_pool_limit database_connection_timeout store_model_in_db supported_db_objects enable_mcp_registry
  mcp_internal_ip_ranges mcp_required_fields mcp_xff_num_trusted_hops mcp_allowed_clients
  mcp_advertised_versions require_end_user_mcp_access_defined user_mcp_management_mode
  user_api_key_cache_ttl proxy_batch_write_at disable_spend_logs store_prompts_in_spend_logs
  maximum_spend_logs_retention_period maximum_spend_logs_retention_interval allowed_ips allowed_routes public_routes
  admin_only_routes enforce_user_param custom_auth custom_key_generate
  allow_requests_on_db_unavailable disable_error_logs disable_master_key_return disable_retry_on_max_parallel_request_limit_error
  disable_reset_budget disable_adding_master_key_hash_to_db enable_public_model_hub global_max_parallel_requests
  max_parallel_requests max_request_size_mb max_response_size_mb alerting alerting_threshold alerting_args
  alert_types alert_to_webhook_url background_health_checks health_check_interval health_check_details
  use_redis_transaction_buffer key_management_system
  key_management_settings completion_model pass_through_endpoints proxy_budget_rescheduler_min_time
  proxy_budget_rescheduler_max_time use_client_credentials_pass_through_routes
  infer_model_from_keys allow_user_auth default_team_disabled control_plane_url ui_access_mode
`)

export const inertRouterSettings = words(`
  redis_host redis_port redis_password redis_url redis_db enable_pre_call_checks routing_strategy_args allowed_fails_policy
  retry_policy model_group_retry_policy max_fallbacks default_max_parallel_requests set_verbose cache_responses cache_kwargs
  caching_groups client_ttl debug_level polling_interval disable_cooldowns optional_pre_call_checks provider_budget_config
  default_litellm_params default_priority assistants_config alerting_config tag_filtering enable_tag_filtering
  router_general_settings enable_weighted_failover
`)

export const inertServerKeys = words(`
  registration_url id_jag_audience id_jag_resource id_jag_token_url upstream_resource
  token_validation token_storage_ttl_seconds
  available_on_public_internet
  max_concurrent_requests per_server_oauth_discovery source_url
  allowed_response_headers
`)

/**
 * What the key API stores and does not enforce, the file may say as well; and rotation, which is not for keys that stand
 * in the file.
 */
export const inertVirtualKeySettings = [...notEnforcedKeyFields, 'auto_rotate', 'rotation_interval']
