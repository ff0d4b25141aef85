<?php

declare(strict_types=1);

namespace Purser;

/** Whether an action changes something. The value is the exchange that carries it. */
enum Kind: string
{
    /** Changes something, once per message id. */
    case Command = 's3.commands';
    /** Reads, and expires when nobody waits any more. */
    case Query = 's3.queries';
}
