<?php

declare(strict_types=1);

namespace Purser;

/** The broker refused the message: a queue is full, or this user may not publish it. */
final class Rejected extends PublishError
{
}
