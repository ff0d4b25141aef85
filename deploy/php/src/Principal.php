<?php

declare(strict_types=1);

namespace Purser;

/** Who is asking. Purser believes this from trusted publishers, so take it from a checked token or session only. */
final readonly class Principal
{
    private function __construct(public string $role, public ?int $customerId)
    {
    }

    /** A customer, for themselves. */
    public static function customer(int $customerId): self
    {
        return new self('customer', $customerId);
    }

    /** An administrator, with their own customer id where they have one. */
    public static function admin(?int $customerId = null): self
    {
        return new self('admin', $customerId);
    }

    /** @return array{customer_id: ?int, role: string} the shape on the wire */
    public function toArray(): array
    {
        return ['customer_id' => $this->customerId, 'role' => $this->role];
    }
}
