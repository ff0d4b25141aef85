<?php

declare(strict_types=1);

namespace Purser;

/** The two encodings of a body. The value is its content type. */
enum Encoding: string
{
    case MessagePack = 'application/msgpack';
    case Json = 'application/json';

    private const JSON = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION
        | JSON_THROW_ON_ERROR;

    /** The encoding that a content type names; absent means MessagePack. Null: neither of the two. */
    public static function ofContentType(?string $contentType): ?self
    {
        return match (strtolower(trim(explode(';', $contentType ?? '')[0]))) {
            '', 'application/msgpack', 'application/x-msgpack', 'application/vnd.msgpack' => self::MessagePack,
            'application/json' => self::Json,
            default => null,
        };
    }

    /**
     * Encodes a map of parameters.
     *
     * @param array<array-key, mixed> $map
     * @throws \InvalidArgumentException where a value can't be encoded
     */
    public function encode(array $map): string
    {
        try {
            return $this === self::Json ? self::json((object) $map) : MessagePack::encode((object) $map);
        } catch (\JsonException) {
            throw new \InvalidArgumentException('parameters must be finite numbers, texts, lists and maps');
        }
    }

    /**
     * A body as JSON text: numbers, objects and lists stay what they are.
     *
     * @throws \UnexpectedValueException where it can't be read
     */
    public function toJson(string $body): string
    {
        if ($this === self::MessagePack) {
            return MessagePack::toJson($body);
        }
        try {
            json_decode($body, flags: JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new \UnexpectedValueException("no valid JSON: {$error->getMessage()}");
        }

        return $body;
    }

    /** @throws \JsonException where a text is no UTF-8 */
    public static function json(mixed $value): string
    {
        return json_encode($value, self::JSON);
    }
}
