<?php

declare(strict_types=1);

namespace Purser;

/** How far a request has got: whether a copy of it is out, and how long it may still be tried. */
final class Attempt
{
    /** Whether this attempt's message may have reached the broker. */
    public bool $isOut = false;
    /** Whether an earlier attempt's message may have. */
    public bool $wasOut = false;
    private int $failures = 0;
    private ?float $until = null;

    public function __construct(private readonly string $messageId, private readonly float $reconnectSeconds)
    {
    }

    /** The moment (microtime) after which nothing is tried any more; it is set by the first failure. */
    public function until(): float
    {
        return $this->until ?? microtime(true) + $this->reconnectSeconds;
    }

    /** Counts a failure. Whether it was the last one. */
    public function isOver(): bool
    {
        $this->failures++;
        $this->until ??= microtime(true) + $this->reconnectSeconds;

        return microtime(true) >= $this->until;
    }

    /** Waits a while that grows from failure to failure. The first time it doesn't wait: an old connection had died. */
    public function pause(float $seconds, float $secondsMax): void
    {
        if ($this->failures > 1) {
            usleep((int) (1e6 * min($seconds * 2 ** ($this->failures - 2), $secondsMax)));
        }
    }

    /**
     * @template T of PublishError
     * @param class-string<T> $kind
     * @return T
     */
    public function failed(string $kind, string $reason): PublishError
    {
        return new $kind($reason, $this->messageId, $this->isOut || $this->wasOut);
    }
}
