<?php

declare(strict_types=1);

namespace Purser;

/** What the broker said about a published message. */
enum Confirm
{
    /** It has the message. */
    case Acked;
    /** It refuses the message. */
    case Nacked;
    /** No queue takes the message. */
    case Returned;
}
