<?php

declare(strict_types=1);

namespace Purser;

/** What a service answered. */
final readonly class Reply
{
    /**
     * @param string $json what the service said, as JSON text, numbers and empty objects as they were
     * @param string $messageId the id under which it was asked; the same id brings the same answer to a command
     */
    public function __construct(public string $json, public string $messageId)
    {
    }

    /**
     * The reply as arrays. What an empty array was in the reply, list or object, can't be told any more.
     *
     * @return array<string, mixed>
     */
    public function data(): array
    {
        return (array) json_decode($this->json, true, flags: JSON_BIGINT_AS_STRING);
    }

    /** The reply as objects and lists. */
    public function object(): \stdClass
    {
        return (object) json_decode($this->json, false, flags: JSON_BIGINT_AS_STRING);
    }

    /** Whether the request was refused: `{"code": -1, "message": …}`, or in /storage a code other than 2xx. */
    public function isRefusal(): bool
    {
        $code = $this->object()->code ?? 200;

        return $code < 200 || $code > 299;
    }

    /** What a refusal says; an empty text otherwise. */
    public function refusal(): string
    {
        return $this->isRefusal() ? (string) ($this->object()->message ?? '') : '';
    }
}
