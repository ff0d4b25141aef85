<?php

declare(strict_types=1);

namespace Purser;

/** Walks over MessagePack bytes and writes JSON text. */
final class MessagePackReader
{
    private const DEPTH_MAX = 64;

    private int $offset = 0;
    private int $depth = 0;

    public function __construct(private readonly string $bytes)
    {
    }

    /** The next value. */
    public function json(): string
    {
        $tag = ord($this->take(1));

        return match (true) {
            $tag < 0x80 => (string) $tag,
            $tag < 0x90 => $this->map($tag & 0x0f),
            $tag < 0xa0 => $this->list($tag & 0x0f),
            $tag < 0xc0 => $this->text($tag & 0x1f),
            $tag >= 0xe0 => (string) ($tag - 0x100),
            default => $this->tagged($tag),
        };
    }

    /** Says that nothing may follow. */
    public function finish(): void
    {
        $rest = strlen($this->bytes) - $this->offset;
        if ($rest > 0) {
            throw new \UnexpectedValueException("no valid MessagePack: $rest bytes follow the value");
        }
    }

    private function tagged(int $tag): string
    {
        return match ($tag) {
            0xc0 => 'null',
            0xc2 => 'false',
            0xc3 => 'true',
            0xc4, 0xd9 => $this->text($this->number('C', 1)),
            0xc5, 0xda => $this->text($this->number('n', 2)),
            0xc6, 0xdb => $this->text($this->number('N', 4)),
            0xca => $this->float('G', 4),
            0xcb => $this->float('E', 8),
            0xcc => (string) $this->number('C', 1),
            0xcd => (string) $this->number('n', 2),
            0xce => (string) $this->number('N', 4),
            0xcf => sprintf('%u', $this->number('J', 8)),
            0xd0 => (string) $this->signed('C', 1),
            0xd1 => (string) $this->signed('n', 2),
            0xd2 => (string) $this->signed('N', 4),
            0xd3 => (string) $this->number('J', 8),
            0xdc => $this->list($this->number('n', 2)),
            0xdd => $this->list($this->number('N', 4)),
            0xde => $this->map($this->number('n', 2)),
            0xdf => $this->map($this->number('N', 4)),
            default => throw new \UnexpectedValueException(sprintf('no valid MessagePack: tag 0x%02x', $tag)),
        };
    }

    private function text(int $length): string
    {
        try {
            return Encoding::json($this->take($length));
        } catch (\JsonException) {
            throw new \UnexpectedValueException('no valid MessagePack: a text is no UTF-8');
        }
    }

    private function list(int $count): string
    {
        $this->enter();
        $items = [];
        while ($count-- > 0) {
            $items[] = $this->json();
        }
        $this->depth--;

        return '[' . implode(',', $items) . ']';
    }

    private function map(int $count): string
    {
        $this->enter();
        $entries = [];
        while ($count-- > 0) {
            $key = $this->json();
            if ($key[0] !== '"') {
                throw new \UnexpectedValueException("no valid MessagePack: the key $key is no text");
            }
            $entries[] = $key . ':' . $this->json();
        }
        $this->depth--;

        return '{' . implode(',', $entries) . '}';
    }

    private function enter(): void
    {
        if (++$this->depth > self::DEPTH_MAX) {
            throw new \UnexpectedValueException('no valid MessagePack: nested too deeply');
        }
    }

    private function float(string $format, int $length): string
    {
        $float = unpack($format, $this->take($length))[1];
        if (!is_finite($float)) {
            throw new \UnexpectedValueException('no valid MessagePack: a number is not finite');
        }

        return Encoding::json($float);
    }

    private function number(string $format, int $length): int
    {
        return unpack($format, $this->take($length))[1];
    }

    private function signed(string $format, int $length): int
    {
        $shift = 64 - 8 * $length;

        return $this->number($format, $length) << $shift >> $shift;
    }

    private function take(int $length): string
    {
        $taken = substr($this->bytes, $this->offset, $length);
        if (strlen($taken) !== $length) {
            throw new \UnexpectedValueException('no valid MessagePack: it ends too early');
        }
        $this->offset += $length;

        return $taken;
    }
}
