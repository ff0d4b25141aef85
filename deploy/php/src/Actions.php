<?php

declare(strict_types=1);

namespace Purser;

/** Every action that a frontend may send. Commands between the services are not among them. */
final class Actions
{
    private const POST_COMMANDS = [
        'add_payment', 'change_plan', 'create_account', 'create_bucket', 'create_order', 'delete_account', 'delete_bucket',
        'delete_file', 'delete_payment_account', 'hold_service',
    ];
    private const COMMANDS = ['cancel_payment_account_deletion', 'update_traffic_info'];
    private const QUERIES = [
        'get_available_locations', 'get_buckets', 'get_buckets_rmq', 'get_files', 'get_invoice', 'get_user_info',
        'get_users', 'history', 'invoice_preview', 'list_invoices', 'list_plans', 'plan_change_preview', 'show_key',
        'usage_report',
    ];
    private const STORAGE_COMMANDS = ['storage_create', 'storage_delete', 'storage_newpassword', 'storage_undelete'];
    private const STORAGE_QUERIES = ['storage_info', 'storage_prices'];

    /** The row of an action. */
    public static function find(string $name): ?Action
    {
        return match (true) {
            in_array($name, self::POST_COMMANDS, true) => new Action($name, Kind::Command, postOnly: true),
            in_array($name, self::COMMANDS, true) => new Action($name, Kind::Command),
            in_array($name, self::QUERIES, true) => new Action($name, Kind::Query),
            in_array($name, self::STORAGE_COMMANDS, true) => new Action($name, Kind::Command, inS3Php: false),
            in_array($name, self::STORAGE_QUERIES, true) => new Action($name, Kind::Query, inS3Php: false),
            default => null,
        };
    }

    /** @return list<string> the names that /s3.php offers */
    public static function ofS3Php(): array
    {
        return [...self::POST_COMMANDS, ...self::COMMANDS, ...self::QUERIES];
    }
}
