<?php

declare(strict_types=1);

namespace Purser;

/** Ids of messages, always as lower-case text with hyphens. */
final class Uuid
{
    /** The same as the gateway's: a key makes the same id on either way in. */
    public const IDEMPOTENCY_NAMESPACE = '4f2c6d1e-8a0b-4b5e-9f37-c1d2e3a4b596';

    /** A random id. */
    public static function v4(): string
    {
        return self::format(random_bytes(16), 4);
    }

    /** A random id that begins with the time, so that later ones sort later. */
    public static function v7(): string
    {
        $milliseconds = (int) (microtime(true) * 1000);

        return self::format(substr(pack('J', $milliseconds), 2) . random_bytes(10), 7);
    }

    /** The id that this name always makes. */
    public static function v5(string $name, string $namespace = self::IDEMPOTENCY_NAMESPACE): string
    {
        $space = hex2bin(str_replace('-', '', $namespace));

        return self::format(substr(sha1($space . $name, true), 0, 16), 5);
    }

    /** Reads a UUID in any of its usual spellings: with or without hyphens, in braces, as a URN. Null: it is none. */
    public static function parse(string $text): ?string
    {
        $hyphenated = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
        $text = strtolower($text);
        if (!preg_match("/^([0-9a-f]{32}|$hyphenated|\\{{$hyphenated}\\}|urn:uuid:$hyphenated)\$/D", $text)) {
            return null;
        }
        $text = str_starts_with($text, 'urn:uuid:') ? substr($text, 9) : $text;

        return self::hyphenate(str_replace(['-', '{', '}'], '', $text));
    }

    private static function format(string $bytes, int $version): string
    {
        $bytes[6] = chr(ord($bytes[6]) & 0x0f | $version << 4);
        $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);

        return self::hyphenate(bin2hex($bytes));
    }

    private static function hyphenate(string $hex): string
    {
        return preg_replace('/^(.{8})(.{4})(.{4})(.{4})(.{12})$/', '$1-$2-$3-$4-$5', $hex);
    }
}
