<?php

declare(strict_types=1);

namespace Purser;

/**
 * MessagePack as Purser writes and reads it.
 *
 * The extension of that name isn't used: it can't write an empty map, reads a map with the keys 0, 1, … as a list and
 * makes PHP objects of a map whose first key is nil.
 */
final class MessagePack
{
    /** Objects and arrays with keys become maps, lists become arrays. */
    public static function encode(mixed $value): string
    {
        return match (true) {
            $value === null => "\xc0",
            is_bool($value) => $value ? "\xc3" : "\xc2",
            is_int($value) => self::encodeInteger($value),
            is_float($value) && is_finite($value) => "\xcb" . pack('E', $value),
            is_string($value) => self::encodeText($value),
            is_array($value) && array_is_list($value) => self::encodeList($value),
            is_array($value), $value instanceof \stdClass => self::encodeMap((array) $value),
            default => throw new \InvalidArgumentException('parameters must be finite numbers, texts, lists and maps'),
        };
    }

    /**
     * Reads one whole value and writes it as JSON text, in which an empty map is no list and no integer is too large.
     *
     * @throws \UnexpectedValueException where the bytes are not one value
     */
    public static function toJson(string $bytes): string
    {
        $reader = new MessagePackReader($bytes);
        $json = $reader->json();
        $reader->finish();

        return $json;
    }

    private static function encodeInteger(int $value): string
    {
        return match (true) {
            $value >= 0 => match (true) {
                $value < 0x80 => chr($value),
                $value <= 0xff => "\xcc" . chr($value),
                $value <= 0xffff => "\xcd" . pack('n', $value),
                $value <= 0xffffffff => "\xce" . pack('N', $value),
                default => "\xcf" . pack('J', $value),
            },
            $value >= -0x20 => chr($value & 0xff),
            $value >= -0x80 => "\xd0" . chr($value & 0xff),
            $value >= -0x8000 => "\xd1" . pack('n', $value & 0xffff),
            $value >= -0x80000000 => "\xd2" . pack('N', $value & 0xffffffff),
            default => "\xd3" . pack('J', $value),
        };
    }

    private static function encodeText(string $text): string
    {
        if (!mb_check_encoding($text, 'UTF-8')) {
            throw new \InvalidArgumentException('texts must be UTF-8');
        }
        $length = strlen($text);
        $head = match (true) {
            $length < 0x20 => chr(0xa0 | $length),
            $length <= 0xff => "\xd9" . chr($length),
            $length <= 0xffff => "\xda" . pack('n', $length),
            default => "\xdb" . pack('N', $length),
        };

        return $head . $text;
    }

    /** @param list<mixed> $list */
    private static function encodeList(array $list): string
    {
        $count = count($list);
        $head = match (true) {
            $count < 0x10 => chr(0x90 | $count),
            $count <= 0xffff => "\xdc" . pack('n', $count),
            default => "\xdd" . pack('N', $count),
        };

        return $head . implode('', array_map(self::encode(...), $list));
    }

    /** @param array<array-key, mixed> $map */
    private static function encodeMap(array $map): string
    {
        $count = count($map);
        $bytes = match (true) {
            $count < 0x10 => chr(0x80 | $count),
            $count <= 0xffff => "\xde" . pack('n', $count),
            default => "\xdf" . pack('N', $count),
        };
        foreach ($map as $key => $value) {
            $bytes .= self::encodeText((string) $key) . self::encode($value);
        }

        return $bytes;
    }
}
