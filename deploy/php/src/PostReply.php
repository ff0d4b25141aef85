<?php

declare(strict_types=1);

namespace Purser;

/** What the gateway answered. */
final readonly class PostReply
{
    public function __construct(public int $status, public \stdClass $body, public ?string $retryAfter = null)
    {
    }
}
