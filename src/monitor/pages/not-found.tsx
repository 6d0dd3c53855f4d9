import { Link } from "wouter";
import { routes } from "../routes.ts";
import { EmptyState } from "../components/empty-state.tsx";

export function NotFound() {
  return (
    <EmptyState isPage title="There is no such page">
      <Link href={routes.overview}>Go to the overview</Link>
    </EmptyState>
  );
}
