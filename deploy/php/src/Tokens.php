<?php

declare(strict_types=1);

namespace Purser;

/** Asks the gateway who a token belongs to, and remembers the answer for a few seconds where there is APCu. */
final class Tokens
{
    public function __construct(private readonly Poster $gateway, private readonly int $cacheSeconds)
    {
    }

    /**
     * @param string $clientAddress the caller's: a token may be bound to an address
     * @throws Fault for a token that is none
     */
    public function principal(#[\SensitiveParameter] string $token, string $clientAddress): Principal
    {
        $cached = $this->cached($token, $clientAddress);
        if ($cached !== null) {
            return $cached;
        }
        $reply = $this->gateway->post('/auth.php', ['action' => 'info', 'token' => $token], $clientAddress);
        $message = (string) ($reply?->body->message ?? '');
        $principal = match ($reply?->status) {
            200 => self::ofInfo($reply->body),
            401 => throw new Fault(Answers::unauthorized($message)),
            429 => throw new Fault(Answers::tooManyRequests($message, $reply->retryAfter)),
            default => null,
        };
        if ($principal === null) {
            throw new Fault(Answers::unavailable("tokens can't be checked at the moment"));
        }
        $this->remember($token, $clientAddress, $principal, $reply->body->result->expires_at ?? null);

        return $principal;
    }

    private static function ofInfo(\stdClass $body): ?Principal
    {
        $result = $body->result ?? null;
        $id = $result->customer_id ?? null;

        return match (true) {
            !$result instanceof \stdClass, !is_int($id) && $id !== null => null,
            ($result->role ?? null) === 'admin' => Principal::admin($id),
            ($result->role ?? null) === 'customer' && $id !== null => Principal::customer($id),
            default => null,
        };
    }

    private function cached(#[\SensitiveParameter] string $token, string $clientAddress): ?Principal
    {
        if (!$this->caches()) {
            return null;
        }
        $principal = apcu_fetch(self::key($token, $clientAddress));

        return $principal instanceof Principal ? $principal : null;
    }

    private function remember(
        #[\SensitiveParameter] string $token,
        string $clientAddress,
        Principal $principal,
        mixed $expiresAt,
    ): void {
        $left = is_string($expiresAt) ? (int) strtotime($expiresAt) - time() : $this->cacheSeconds;
        $seconds = min($left, $this->cacheSeconds);
        // APCu reads zero as "for ever".
        if ($this->caches() && $seconds > 0) {
            apcu_store(self::key($token, $clientAddress), $principal, $seconds);
        }
    }

    private function caches(): bool
    {
        return $this->cacheSeconds > 0 && function_exists('apcu_enabled') && apcu_enabled();
    }

    /** The token itself is kept nowhere. */
    private static function key(#[\SensitiveParameter] string $token, string $clientAddress): string
    {
        return 'purser.token.' . hash('sha256', "$clientAddress $token");
    }
}
