<?php

declare(strict_types=1);

namespace Purser;

/** The W3C trace context that ties a request to what follows from it. */
final class TraceContext
{
    /** The caller's `traceparent` where it is well-formed, else a new one. */
    public static function continueOrStart(?string $traceparent): string
    {
        $given = trim($traceparent ?? '');
        $zeros = '(?!0+-)';
        if (preg_match("/^00-{$zeros}[0-9a-f]{32}-{$zeros}[0-9a-f]{16}-[0-9a-f]{2}\$/D", $given)) {
            return $given;
        }

        return sprintf('00-%s-%s-01', bin2hex(random_bytes(16)), bin2hex(random_bytes(8)));
    }
}
