import { Megaphone, ShieldQuestionMark } from "lucide-react";
import { memo } from "react";
import { WhatWillBeDone } from "../../../components/permission-request.tsx";
import { Status } from "../../../components/status.tsx";
import { tellWholeUsage } from "../../../components/words.ts";
import type { MessageBlock, OutputBlock, PermissionBlock, ReportBlock } from "./blocks.ts";
import { Line } from "./line.tsx";
import { Lines, More, reaches, Row, shortLines, type BlockProps, type Marks } from "./row.tsx";
import { Tool } from "./tool-view.tsx";

export const BlockView = memo(function BlockView(props: BlockProps) {
  const { block, marks } = props;
  switch (block.type) {
    case "output":
      return <Output block={block} marks={marks} />;
    case "message":
      return <Message {...props} block={block} />;
    case "tool":
      return <Tool {...props} block={block} />;
    case "permission":
      return <Permission block={block} marks={marks} />;
    case "report":
      return <Report block={block} marks={marks} />;
    case "status":
      return (
        <Row at={block.at} className="status-block">
          <Status status={block.status} />
          {block.reason !== null && (
            <Lines lines={[block.reason]} marks={marks} className="block-reason" />
          )}
        </Row>
      );
    case "usage":
      return (
        <Row at={block.at} className="usage-block">
          {tellWholeUsage(block.usage)}
        </Row>
      );
    case "gap":
      return (
        <Row at={block.at} className="gap-block">
          <Lines lines={[block.text]} marks={marks} />
        </Row>
      );
  }
});

function Output({ block, marks }: { block: OutputBlock; marks: Marks }) {
  return (
    <Row at={block.at} className="output-block" channel={block.channel}>
      <div className="output-lines">
        {block.lines.map(({ raw, look }, at) => (
          <Line
            key={at}
            text={raw}
            look={look}
            pattern={marks.pattern}
            current={marks.line === at ? marks.start : undefined}
          />
        ))}
      </div>
    </Row>
  );
}

const speakers = { USER: "You", AGENT: "Agent", THOUGHT: "Thought" } as const;

function Message({ block, marks, isOpen, onToggle }: BlockProps & { block: MessageBlock }) {
  const lines = block.text.split("\n");
  const isShort = block.role !== "AGENT" && !isOpen && !reaches(marks, shortLines);
  return (
    <Row at={block.at} className="message-block" role={block.role}>
      {!block.goesOn && <p className="speaker">{speakers[block.role]}</p>}
      <Lines lines={isShort ? lines.slice(0, shortLines) : lines} marks={marks} className="words" />
      {block.role !== "AGENT" && (
        <More block={block} lines={lines.length} isShort={isShort} onToggle={onToggle} />
      )}
    </Row>
  );
}

function Permission({ block, marks }: { block: PermissionBlock; marks: Marks }) {
  const { title, options, answer } = block.request;
  const chosen = options.find(({ id }) => id === answer);
  return (
    <Row at={block.at} className="permission-block">
      <div className="tool-head">
        <ShieldQuestionMark size={14} aria-hidden="true" className="tool-icon" />
        <Lines lines={[title]} marks={marks} className="tool-title" />
      </div>
      <WhatWillBeDone request={block.request} />
      <p className="permission-answer">
        {answer === null ? "Asked for permission" : `Answered: ${chosen?.name ?? answer}`}
      </p>
    </Row>
  );
}

function Report({ block, marks }: { block: ReportBlock; marks: Marks }) {
  return (
    <Row at={block.at} className="report-block">
      <p className="speaker">
        <Megaphone size={13} aria-hidden="true" /> Report
        {block.outcome !== null && ` · ${block.outcome === "SUCCEEDED" ? "succeeded" : "failed"}`}
      </p>
      <Lines lines={block.message.split("\n")} marks={marks} className="words" />
    </Row>
  );
}
