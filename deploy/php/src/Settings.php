<?php

declare(strict_types=1);

namespace Purser;

/** Turns what people write, in a file or in the environment, into the arguments of Config. */
final class Settings
{
    /** The settings' names in the environment. */
    public const ENVIRONMENT = [
        'PURSER_AMQP_URL' => 'amqp_url',
        'PURSER_AMQP_HOSTS' => 'hosts',
        'PURSER_AMQP_USER' => 'user',
        'PURSER_AMQP_PASSWORD' => 'password',
        'PURSER_AMQP_PASSWORD_FILE' => 'password_file',
        'PURSER_AMQP_VHOST' => 'vhost',
        'PURSER_GATEWAY_URL' => 'gateway_url',
        'PURSER_PHP_ENCODING' => 'encoding',
        'PURSER_PHP_APP_ID' => 'app_id',
        'PURSER_PHP_HEARTBEAT' => 'heartbeat',
        'PURSER_PHP_CONNECT_SECONDS' => 'connect_seconds',
        'PURSER_PHP_CONFIRM_SECONDS' => 'confirm_seconds',
        'PURSER_PHP_RECONNECT_SECONDS' => 'reconnect_seconds',
        'PURSER_PHP_REPLY_WAIT_SECONDS' => 'reply_wait_seconds',
        'PURSER_PHP_BODY_BYTES_MAX' => 'body_bytes_max',
        'PURSER_PHP_TOKEN_CACHE_SECONDS' => 'token_cache_seconds',
        'PURSER_PHP_TRUSTED_PROXIES' => 'trusted_proxies',
    ];

    /**
     * @param array<string, mixed> $settings
     * @return array<string, mixed> named arguments
     */
    public static function arguments(#[\SensitiveParameter] array $settings): array
    {
        $url = (string) ($settings['amqp_url'] ?? '');
        $settings += $url === '' ? [] : self::ofUrl($url);
        if (isset($settings['password_file']) && !isset($settings['password'])) {
            $settings['password'] = self::secretOf((string) $settings['password_file']);
        }
        unset($settings['amqp_url'], $settings['password_file']);
        $settings += ['hosts' => [], 'user' => '', 'password' => ''];
        $arguments = [];
        foreach ($settings as $name => $value) {
            $argument = lcfirst(str_replace('_', '', ucwords((string) $name, '_')));
            $arguments[$argument] = self::value((string) $name, $value);
        }

        return $arguments;
    }

    private static function value(string $name, mixed $value): mixed
    {
        return match ($name) {
            'hosts', 'trusted_proxies' => self::words($value),
            'user', 'password', 'vhost', 'app_id' => (string) $value,
            'gateway_url' => rtrim((string) $value, '/'),
            'tls' => $value === null || is_array($value)
                ? $value
                : throw new \InvalidArgumentException('tls: must be an array of SSL context options, or null'),
            'encoding' => match ($value) {
                'msgpack', Encoding::MessagePack => Encoding::MessagePack,
                'json', Encoding::Json => Encoding::Json,
                default => throw new \InvalidArgumentException('encoding: must be msgpack or json'),
            },
            'heartbeat', 'body_bytes_max', 'token_cache_seconds', 'reply_wait_seconds'
                => (int) self::number($name, $value),
            'connect_seconds', 'confirm_seconds', 'reconnect_seconds' => self::number($name, $value),
            default => throw new \InvalidArgumentException("$name: is unknown"),
        };
    }

    /** @return list<string> */
    private static function words(mixed $value): array
    {
        $words = is_array($value) ? $value : explode(',', (string) $value);

        return array_values(array_filter(array_map(trim(...), $words), static fn ($word) => $word !== ''));
    }

    private static function number(string $name, mixed $value): float
    {
        if (!is_numeric($value) || $value < 0) {
            throw new \InvalidArgumentException("$name: must be a number from 0");
        }

        return (float) $value;
    }

    /** @return array<string, mixed> */
    private static function ofUrl(#[\SensitiveParameter] string $url): array
    {
        $parts = parse_url($url);
        $scheme = $parts['scheme'] ?? '';
        if (!isset($parts['host']) || !in_array($scheme, ['amqp', 'amqps'], true)) {
            throw new \InvalidArgumentException('amqp_url: must be amqp://user:password@host:port/vhost (or amqps)');
        }
        $settings = [
            'hosts' => [$parts['host'] . ':' . ($parts['port'] ?? ($scheme === 'amqps' ? 5671 : 5672))],
            'vhost' => rawurldecode(substr($parts['path'] ?? '/', 1)) ?: '/',
        ];
        foreach (['user' => 'user', 'pass' => 'password'] as $part => $name) {
            if (isset($parts[$part])) {
                $settings[$name] = rawurldecode($parts[$part]);
            }
        }

        return $settings + ($scheme === 'amqps' ? ['tls' => []] : []);
    }

    private static function secretOf(string $file): string
    {
        $text = is_readable($file) ? file_get_contents($file) : false;
        if ($text === false) {
            throw new \InvalidArgumentException("password_file: $file can't be read");
        }

        return rtrim($text, "\r\n");
    }
}
